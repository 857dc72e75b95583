-- What the checks read: a user of their own, the token that their requests carry, 500 feeds that
-- nobody fetches (`disabled`), and :rows entries. Each statement may run twice, because a seed that
-- broke off is begun again. The ids are written down, because a statement that broke off has used
-- up numbers of the sequence, and the checks read ids from 1 on.
INSERT INTO users (username, password, is_admin) VALUES ('runbook-check', '', false)
  ON CONFLICT DO NOTHING;
INSERT INTO categories (user_id, title) SELECT id, 'All' FROM users WHERE username = 'runbook-check'
  ON CONFLICT DO NOTHING;
INSERT INTO api_keys (user_id, token, description)
  SELECT id, :'token', 'runbook' FROM users WHERE username = 'runbook-check'
  ON CONFLICT DO NOTHING;
INSERT INTO feeds (id, user_id, category_id, title, feed_url, site_url, disabled)
  SELECT n, u.id, c.id, 'feed ' || n, 'http://feed.invalid/' || n, 'http://feed.invalid/' || n, true
  FROM generate_series(1, 500) n, users u
  JOIN categories c ON c.user_id = u.id AND c.title = 'All' WHERE u.username = 'runbook-check'
  ON CONFLICT DO NOTHING;
INSERT INTO entries (id, user_id, feed_id, hash, published_at, title, url, author, content,
                     changed_at, document_vectors)
  SELECT n, f.user_id, f.id, md5('entry ' || n),
         timestamptz '2024-01-01' + n * interval '5 minutes', 'entry ' || n,
         'http://feed.invalid/e/' || n, 'somebody', repeat('words of entry ' || n || ' ', 20),
         now(), to_tsvector('entry ' || n)
  FROM generate_series(1, :rows) n JOIN feeds f ON f.id = 1 + n % 500
  ON CONFLICT DO NOTHING;
SELECT setval(pg_get_serial_sequence('feeds', 'id'), max(id)) FROM feeds;
SELECT setval(pg_get_serial_sequence('entries', 'id'), max(id)) FROM entries;
ANALYZE entries, feeds;
