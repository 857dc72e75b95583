-- Creates the app's database, owned by the app's role. The encoding is always UTF-8: Debian's
-- package takes the cluster's encoding from the host's locale, and LANG=C gives SQL_ASCII, which
-- stores any bytes unchecked. Copying the template may take up to a minute.
-- check
SELECT CASE WHEN EXISTS (SELECT FROM pg_database WHERE datname = {{ database | literal }})
       THEN 'ok' ELSE 'create database {{ database }}' END;
-- apply
SET statement_timeout = '1min';
CREATE DATABASE {{ database | ident }} OWNER {{ user | ident }}
  TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
