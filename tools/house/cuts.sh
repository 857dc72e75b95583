# cut the circles; run in a moved and renamed tree
cd $1; md() { python3 tools/house/movedef.py $PWD "$@"; }
# paths of the hosts, known below the roles
md roles/app settings/paths ROOT app_unit binary_name
md roles/base settings/paths TOOLS SETTINGS
md steps/release settings/paths PROVEN
md settings/settings settings/project PROJECT LABS
# what is said to the balancer and to keepalived
git mv fabfile/control/haproxy_view.py fabfile/control/haproxy_stats.py 2>/dev/null
grep -rl "haproxy_view" fabfile tests lab bench --include=*.py | xargs sed -i 's/haproxy_view/haproxy_stats/g'
md roles/haproxy control/haproxy HAPROXY_UNIT HAPROXY_PORT EDGE_HEALTH DRAINED_NODES SAVE_STATE drain_script undrain_script _mark_script _tell_script drained_by_deploy drained_names recorded_drain drained_by_operator
md roles/haproxy steps/leftovers NoLeftoverDrain
md roles/keepalived control/keepalived KEEPALIVED_UNIT EdgeState INTERFACE EDGE_DRAINED HANDOVER_TOOL check_command edge_probe parse_edge holds_probe drain_edge_script undrain_edge_script take_script give_script settle_script end_script
md roles/keepalived steps/leftovers NoLeftoverHandover
md roles/nginx control/nginx NGINX_UNIT REFRESHER_UNIT
md roles/nginx steps/http3 Http3Possible Http3Answers
md rollout/system steps/placeholder Undiscovered Unissued
md control/releases steps/gate ReleaseProven proven_step
# measured values next to what measures them
md acceptance/host_facts control/clocks Clock
md acceptance/host_facts control/counters EndpointCounts
md acceptance/plan settings/requirements LATENCY_BOUND
md acceptance/freshness_probe traffic/dates date_of
md drills/model drills/errors NotPossible
# the site file's reading
md settings/settings settings/site_file locate_site load_settings
# how a host is reached
md settings/inventory engine/host Node
md engine/fleet settings/reach host_address
md rollout/phases rollout/options DeployOptions
md drills/target settings/site_file in_lab
