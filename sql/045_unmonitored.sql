-- The exporter's role goes with the exporter. A role of this name without our comment is somebody else's.
-- check
SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'prometheus'
                         AND shobj_description(oid, 'pg_authid') = 'created by the runbook')
       THEN 'remove the exporter''s role' ELSE 'ok' END;
-- apply
DROP ROLE prometheus;
