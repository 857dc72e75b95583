"""The Terraform modules, read by an HCL parser and compared with the provider's documentation.

`yandex_schema.json` is what the documentation of the provider's release says of each resource that
we use. Where Terraform itself is installed, it also formats, validates and applies the module
`site`, which needs no provider.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from jinja2 import Environment
from places import PROJECT
from samples import EDGE, balanced_site, watched_site

from fabfile.roles.ports import list_routes
from fabfile.settings.site_file import load_settings
from provision.user_data import Provision, render_user_data

MODULES = PROJECT / "provision/terraform"
TUTORIAL = PROJECT / "docs/cloud.md"
SCHEMA = json.loads(Path(__file__).with_name("yandex_schema.json").read_text())
META = {"for_each", "count", "lifecycle", "depends_on", "provider"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExa me@example.com"

Block = dict[str, Any]


def unquote(value: Any) -> Any:
    """The parser keeps quotes around texts, and adds keys of its own."""
    if isinstance(value, dict):
        return {unquote(key): unquote(item) for key, item in value.items() if key[:2] != "__"}
    if isinstance(value, list):
        return [unquote(item) for item in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


def read_module(name: str) -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for path in sorted((MODULES / name).glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            for kind, blocks in unquote(hcl2.load(file)).items():
                found.setdefault(kind, []).extend(blocks)
    return found


SITE, YANDEX = read_module("site"), read_module("yandex")


def list_resources(kind: str = "resource") -> dict[tuple[str, str], Block]:
    return {
        (type_, name): body
        for block in YANDEX[kind]
        for type_, named in block.items()
        for name, body in named.items()
    }


def names_in(module: dict[str, list[Block]], kind: str) -> set[str]:
    return {name for block in module.get(kind, []) for name in block}


def locals_of(module: dict[str, list[Block]]) -> Block:
    return {name: value for block in module["locals"] for name, value in block.items()}


def find_faults(body: Block, schema: Block, at: str) -> Iterator[str]:
    """What of `body` the provider does not know or does not let us set, and what is missing."""
    given = {name: value for name, value in body.items() if name not in META | {"dynamic"}}
    for dynamic in body.get("dynamic", []):
        for name, inner in dynamic.items():
            given[name] = [*given.get(name, []), *inner["content"]]
    for name, value in given.items():
        kind = schema.get(name, "unknown")
        if isinstance(kind, dict):
            for inner in value:
                yield from find_faults(inner, kind, f"{at}.{name}")
        elif kind in ("unknown", "computed"):
            yield f"{at}.{name} is {kind}"
    yield from (
        f"{at}.{name} is missing"
        for name, kind in schema.items()
        if kind == "required" and name not in given
    )


EVERY = [
    *((*key, body, SCHEMA["resource"]) for key, body in list_resources().items()),
    *((*key, body, SCHEMA["data"]) for key, body in list_resources("data").items()),
]


@pytest.mark.parametrize(
    ("type_", "name", "body", "schema"), EVERY, ids=lambda part: str(part)[:40]
)
def test_the_provider_knows_every_attribute(
    type_: str, name: str, body: Block, schema: Block
) -> None:
    assert list(find_faults(body, schema[type_], f"{type_}.{name}")) == []


def test_a_fault_is_found() -> None:
    schema = {"zone": "required", "id": "computed", "disk": {"size": "optional"}}
    body = {"id": "1", "dynamic": [{"disk": {"content": [{"sizes": 1}]}}], "for_each": "x"}
    assert list(find_faults(body, schema, "x")) == [
        "x.id is computed",
        "x.disk.sizes is unknown",
        "x.zone is missing",
    ]


def test_a_virtual_machine_has_the_blocks_that_it_needs() -> None:
    """The documentation marks no block as required."""
    for (type_, _), body in list_resources().items():
        if type_ == "yandex_compute_instance":
            assert {"resources", "boot_disk", "network_interface"} <= body.keys()


def find_unknown_references(name: str, module: dict[str, list[Block]]) -> Iterator[str]:
    text = "\n".join(path.read_text() for path in sorted((MODULES / name).glob("*.tf")))
    text = re.sub(r"(?m)#.*", "", text)
    known = {"var": names_in(module, "variable"), "local": set(locals_of(module))}
    for kind, word in re.findall(r"\b(var|local)\.(\w+)", text):
        if word not in known[kind]:
            yield f"{kind}.{word}"
    if name != "yandex":
        return
    resources = list_resources()
    pattern = r"(?<!data\.)\b(yandex_\w+)\.(\w+)(?:\[[^\]]*\])?\.(\w+)"
    for type_, word, attribute in re.findall(pattern, text):
        if (type_, word) not in resources or attribute not in SCHEMA["resource"][type_]:
            yield f"{type_}.{word}.{attribute}"
    for type_, word, attribute in re.findall(r"\bdata\.(\w+)\.(\w+)\.(\w+)", text):
        if (type_, word) not in list_resources("data") or attribute not in SCHEMA["data"][type_]:
            yield f"data.{type_}.{word}.{attribute}"
    for word, output in re.findall(r"\bmodule\.(\w+)\.(\w+)", text):
        if word != "site" or output not in names_in(SITE, "output"):
            yield f"module.{word}.{output}"


@pytest.mark.parametrize(("name", "module"), [("site", SITE), ("yandex", YANDEX)])
def test_every_reference_leads_somewhere(name: str, module: dict[str, list[Block]]) -> None:
    assert list(find_unknown_references(name, module)) == []


def test_the_module_site_gets_what_it_needs() -> None:
    given = YANDEX["module"][0]["site"].keys() - {"source"}
    variables = {name: body for block in SITE["variable"] for name, body in block.items()}
    assert given <= variables.keys()
    assert {name for name, body in variables.items() if "default" not in body} <= given


def count_resources(monitoring: bool, dns: bool) -> int:
    """How many resources a plan adds."""
    copies = {"zone": 2, "host": 5 + monitoring, "role": 3 + monitoring}
    return sum(
        dns if "count" in body else copies[name] if "for_each" in body else 1
        for (_, name), body in list_resources().items()
    )


def test_the_tutorial_knows_how_many_resources_a_plan_adds() -> None:
    text = " ".join(TUTORIAL.read_text().split())
    few, more = count_resources(False, False), count_resources(True, False)
    assert f"{few} resources" in text
    assert f"{count_resources(False, True)} with `dns_zone`" in text
    assert f"`monitoring` adds {more - few}" in text


def test_the_decision_compares_every_resource_with_the_procedure() -> None:
    text = (PROJECT / "docs/decisions/0033-provisioning.md").read_text().partition("row by row")[2]
    assert [key for key in list_resources() if f"`{'.'.join(key)}`" not in text] == []


def test_both_edges_are_in_one_zone() -> None:
    """The balancer drops users for up to two minutes when the last edge of a zone is drained."""
    text = (MODULES / "yandex/hosts.tf").read_text()
    zones = re.findall(r'name = "edge\d".* zone = (\S+) }', text)
    assert len(zones) == 2
    assert len(set(zones)) == 1


def test_the_provider_is_the_one_that_was_compared() -> None:
    wanted = YANDEX["terraform"][0]["required_providers"][0]["yandex"]["version"]
    assert wanted == "~> " + SCHEMA["release"].rpartition(".")[0]


def read_example(begin: str) -> str:
    """The code block of the tutorial that begins with `begin`."""
    blocks = re.findall(r"(?:^ {4}.*\n|^\n)+", TUTORIAL.read_text(), re.M)
    found = [text for text in map(textwrap.dedent, blocks) if text.strip().startswith(begin)]
    assert len(found) == 1, begin
    return found[0].strip() + "\n"


@pytest.mark.parametrize(("module", "begin"), [(YANDEX, "site_name"), (SITE, "module")])
def test_the_examples_set_every_required_variable(
    module: dict[str, list[Block]], begin: str
) -> None:
    example = unquote(hcl2.loads(read_example(begin)))
    given = example["module"][0]["site"] if begin == "module" else example
    variables = {name: body for block in module["variable"] for name, body in block.items()}
    assert given.keys() - {"source"} <= variables.keys()
    assert {name for name, body in variables.items() if "default" not in body} <= given.keys()


FREE = {"private_key_file", "binary", "http3", "monitoring", "platform", "disk_type"}
"""Variables of which any value of the type may be right."""


@pytest.mark.parametrize("module", [SITE, YANDEX], ids=["site", "yandex"])
def test_every_variable_is_described_and_validated(module: dict[str, list[Block]]) -> None:
    for block in module["variable"]:
        for name, body in block.items():
            assert body["description"].endswith("."), name
            assert ("validation" in body) != (name in FREE), name


def test_no_secret_comes_near_the_state() -> None:
    names = set()
    for module in (SITE, YANDEX):
        names |= names_in(module, "variable") | names_in(module, "output")
    assert [name for name in names if re.search("password|token|secret|private_key$", name)] == []


def test_the_security_groups_let_through_exactly_what_the_roles_need() -> None:
    site = replace(watched_site(), edge=balanced_site().edge)
    roles = {node.name: node.roles[0] for node in site.inventory.nodes}
    needed = {
        (roles[node.name], roles[route.target], route.number)
        for node in site.inventory.nodes
        for route in list_routes(site, node)
    }
    given = {(route["from"], route["to"], route["port"]) for route in locals_of(YANDEX)["routes"]}
    assert given == needed


def test_the_balancer_checks_the_page_that_the_edges_have() -> None:
    group = list_resources()[("yandex_lb_network_load_balancer", "service")]
    check = group["attached_target_group"][0]["healthcheck"][0]
    assert check["http_options"][0]["path"] == "/edge-health"
    edge = replace(EDGE, address="192.0.2.10", address_by="external", balancer=("192.0.2.1",))
    assert locals_of(YANDEX)["health_port"] == edge.health_port
    assert check["interval"] == edge.balancer_interval
    assert check["unhealthy_threshold"] == edge.balancer_fall
    assert check["healthy_threshold"] == edge.balancer_rise


# -- the site file

VALUES: Block = {
    "site_name": "shop",
    "user": "ops",
    "public_key": KEY,
    "private_key_file": "~/.ssh/id_ed25519",
    "hosts": [
        {"name": "edge1", "address": "10.77.0.11", "roles": ["edge"]},
        {"name": "edge2", "address": "10.77.1.12", "roles": ["edge"]},
        {"name": "node1", "address": "10.77.0.21", "roles": ["app"]},
        {"name": "node2", "address": "10.77.1.22", "roles": ["app"]},
        {"name": "db1", "address": "10.77.0.31", "roles": ["postgres"]},
    ],
    "edge_address": "203.0.113.10",
    "address_by": "external",
    "balancer": ["198.18.235.0/24", "198.18.248.0/24"],
    "http3": False,
    "binary": "bingo",
    "sha256": "ab" * 32,
    "email": "you@example.com",
    "domain": "shop.example.com",
    "data_disk": "/dev/disk/by-id/virtio-pgdata",
    "settings": {
        "app": {"memory_max": "256M"},
        "gate": {"rate": 60, "error_percent": 1.5},
        "tls.acme": {"directory": "https://acme.example.com/directory", "email": "a@example.com"},
    },
}


def list_tables(values: Block) -> dict[str, Block]:
    """The tables of the site file but the hosts, as the module `site` makes them: sorted."""
    tables: dict[str, Block] = {
        "ssh": {
            "user": values["user"],
            "key": values["private_key_file"],
            "known_hosts": "known_hosts",
        },
        "app": {name: values[name] for name in ("binary", "sha256")},
        "app.settings": {"email": values["email"]},
        "database": {"password_file": "secrets/db-password"},
        "edge": {
            "address": values["edge_address"],
            **{name: values[name] for name in ("address_by", "balancer", "http3")},
        },
        "tls": {"names": [values["domain"]]},
    }
    for name, table in values["settings"].items():
        tables[name] = {**tables.get(name, {}), **table}
    return {name: dict(sorted(tables[name].items())) for name in sorted(tables)}


def render_site_toml(values: Block) -> str:
    """Fill in the template as Terraform does: its marks become those of Jinja."""
    text = (MODULES / "site/site.toml.tftpl").read_text()
    text = re.sub(r"%\{ (for \w+, \w+ in \w+) ~\}\n", r"{% \1.items() %}", text)
    text = re.sub(r"%\{ (for \w+ in \w+) ~\}\n", r"{% \1 %}", text)
    text = re.sub(r"%\{ endfor ~\}\n", "{% endfor %}", text)
    text = re.sub(r"\$\{([^}]*)\}", r"{{ \1 }}", text)
    environment = Environment(keep_trailing_newline=True, autoescape=False)
    template = environment.from_string(text)
    return template.render(**values, tables=list_tables(values), jsonencode=encode_as_terraform)


def encode_as_terraform(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def test_the_output_is_a_site_file(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(render_site_toml(VALUES))
    settings = load_settings(tmp_path / "site.toml")
    nodes = {node.name: (node.address, list(node.roles)) for node in settings.inventory.nodes}
    assert nodes == {host["name"]: (host["address"], host["roles"]) for host in VALUES["hosts"]}
    assert settings.edge.address == "203.0.113.10"
    assert settings.edge.address_by == "external"
    assert settings.edge.balancer == ("198.18.235.0/24", "198.18.248.0/24")
    assert settings.service == "http://203.0.113.10"
    assert settings.tls.names == ("shop.example.com",)
    assert (settings.ssh.user, settings.app.sha256) == ("ops", "ab" * 32)
    # What would be typed into the file would be lost with the next output.
    assert settings.app.memory_max == "256M"
    assert (settings.gate.rate, settings.gate.error_percent) == (60, 1.5)
    assert settings.tls.acme is not None
    assert settings.tls.acme.email == "a@example.com"


@pytest.mark.parametrize("begin", ["settings", '"tls.acme"'])
def test_the_settings_in_the_tutorial_are_settings(tmp_path: Path, begin: str) -> None:
    text = read_example(begin)
    tables = unquote(hcl2.loads(text if begin == "settings" else f"settings = {{\n{text}}}\n"))
    (tmp_path / "site.toml").write_text(render_site_toml({**VALUES, **tables}))
    assert load_settings(tmp_path / "site.toml")


def terraform(folder: Path, *words: str, home: str = os.environ.get("HOME", "/")) -> str:
    environment = {
        **os.environ,
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "HOME": home,
    }
    argv = ["terraform", f"-chdir={folder}", *words]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


needs_terraform = pytest.mark.skipif(
    not shutil.which("terraform"), reason="Terraform is not installed: only the parser was run"
)


@needs_terraform
def test_terraform_finds_the_files_formatted() -> None:
    assert terraform(MODULES, "fmt", "-check", "-recursive") == ""


@needs_terraform
def test_terraform_renders_the_same_as_we_do(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "provision", tmp_path / "provision")
    module = tmp_path / "provision/terraform/site"
    (module / "sample.auto.tfvars.json").write_text(json.dumps(VALUES))
    terraform(module, "init", "-backend=false", "-input=false")
    terraform(module, "validate")
    terraform(module, "apply", "-auto-approve", "-input=false")
    outputs = json.loads(terraform(module, "output", "-json"))
    assert outputs["site_toml"]["value"] == render_site_toml(VALUES)
    provision = Provision("ops", KEY, data_disk=VALUES["data_disk"])
    assert outputs["user_data"]["value"] == {
        host["name"]: render_user_data(provision, host["name"], host["roles"], number)
        for number, host in enumerate(VALUES["hosts"])
    }
    assert yaml.safe_load(outputs["user_data"]["value"]["db1"])["mounts"]


@needs_terraform
def test_the_example_of_the_tutorial_writes_a_site_file(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "provision", tmp_path / "runbook/provision")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/runbook.pub").write_text(KEY + "\n")
    (tmp_path / "bingo").write_bytes(b"binary")
    (tmp_path / "main.tf").write_text(read_example("module"))
    for words in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        terraform(tmp_path, *words, home=str(tmp_path))
    site = tmp_path / "site.toml"
    site.write_text(terraform(tmp_path, "output", "-raw", "site_toml"))
    settings = load_settings(site)
    assert settings.app.sha256 == hashlib.sha256(b"binary").hexdigest()
    assert [node.name for node in settings.inventory.having("edge")] == ["edge1", "edge2"]
