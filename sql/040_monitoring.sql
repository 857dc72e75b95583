-- The exporter's role may read statistics, but not the app's data.
-- check
SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'prometheus' AND rolcanlogin AND NOT rolsuper
                         AND pg_has_role(rolname, 'pg_monitor', 'MEMBER'))
       THEN 'ok' ELSE 'let the exporter read statistics' END;
-- apply
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prometheus')
  THEN CREATE ROLE prometheus LOGIN CONNECTION LIMIT 5; COMMENT ON ROLE prometheus IS 'created by the runbook'; END IF; END $$;
GRANT pg_monitor TO prometheus;
