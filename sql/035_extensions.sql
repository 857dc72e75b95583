-- Creates the extensions that the program needs. Its own role may create trusted ones only, so the
-- superuser does it.
-- check
SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'create extension ' || string_agg(wanted, ', ') END
FROM unnest(ARRAY[{% for name in extensions %}{{ name | literal }}{{ ", " if not loop.last }}{% endfor %}]) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = wanted);
-- apply
{% for name in extensions %}
CREATE EXTENSION IF NOT EXISTS {{ name | ident }};
{% endfor %}
