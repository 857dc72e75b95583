-- Only the app's role may connect to the app's database and create objects in it.
-- check
SELECT CASE WHEN NOT has_database_privilege('public', {{ database | literal }}, 'CONNECT')
             AND NOT has_schema_privilege('public', 'public', 'CREATE')
             AND has_schema_privilege({{ user | literal }}, 'public', 'CREATE')
       THEN 'ok' ELSE 'let only {{ user }} into database {{ database }}' END;
-- apply
REVOKE ALL ON DATABASE {{ database | ident }} FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {{ database | ident }} TO {{ user | ident }};
GRANT CREATE, USAGE ON SCHEMA public TO {{ user | ident }};
