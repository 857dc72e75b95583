-- The app's own database, owned by its role.
-- check
SELECT CASE WHEN EXISTS (SELECT FROM pg_database WHERE datname = {{ database | literal }})
       THEN 'ok' ELSE 'create database {{ database }}' END;
-- apply
CREATE DATABASE {{ database | ident }} OWNER {{ user | ident }};
