-- The app's own database, owned by its role. In UTF-8 whatever the cluster's encoding is: Debian's
-- package takes the host's locale, and LANG=C makes SQL_ASCII, which stores any bytes unchecked.
-- Copying the template may take a while.
-- check
SELECT CASE WHEN EXISTS (SELECT FROM pg_database WHERE datname = {{ database | literal }})
       THEN 'ok' ELSE 'create database {{ database }}' END;
-- apply
SET statement_timeout = '1min';
CREATE DATABASE {{ database | ident }} OWNER {{ user | ident }}
  TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
