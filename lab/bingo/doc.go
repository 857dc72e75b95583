// Command bingo is the lab's stand-in for the opaque binary of the same name, whose vendor is gone.
// It follows what is publicly known of the original (build 20231121T1537): command line, messages,
// exit codes, paths, log volume, endpoints, SQL, limits and faults. The runbook does not know its
// source; the lab and its tests do.
//
// # What is not known of the original
//
// These choices are guesses. Where a choice makes things easier or harder for a runbook, it is the
// harder one.
//
//   - Port: 2281 + the first 4 bytes of SHA-256("port of " + e-mail) modulo 30582. This is the
//     range that was observed, both ends included.
//   - Root is refused before anything else, whatever the arguments: on stderr, exit 1.
//   - A config that is no YAML: "panic: failed to parse config data", like the message for a
//     missing config.
//   - Database at the start: all hosts are asked once, at the same time, for at most 5 s. If none
//     is a primary, the error is the one that was reported.
//   - Database later: the same every 5 s. The first host that is no standby is used from then on;
//     if there is none, the old one stays in use. The check uses two connections; they are the 2
//     idle connections that were observed.
//   - use_closest_node: true changes nothing.
//   - 8.8.8.8: if the call is answered, the server starts as after a time-out, without the text
//     for a fast failure.
//   - A port that is in use: "Error: failed Listen: …", exit 1.
//   - Memory: 20 MB more from the start, so that the process has the size that was observed. A
//     long list needs up to 100 MB for a while.
//   - Log: os_env is $ENV; the additional fields; one line for every refill of the limiter (20 a
//     second) and one for every request.
//   - Limiter: bursts of 5. A request waits at most 1 s for its token, then gets the 503, also if
//     the process is ill.
//   - Lifetime: 10 to 25 minutes, drawn from the second of the start. So two processes that
//     started in the same second die at the same time.
//   - Kind of death: drawn from the same second; the four kinds have equal shares. A silent exit
//     has code 0 or 1.
//   - Leak: 20 MB/s. After 2 GiB, or when the machine has less than 1 GB left, the process kills
//     itself with SIGKILL, as the kernel would later: a lab must not harm the machine it runs on.
//   - Poison: the request that panics the process gets no answer. The request that makes the
//     process ill is the first to get a 500.
//   - SIGTERM: the port is closed, and requests in flight have 4 s to end (/long_dummy takes 3);
//     exit code 0.
//   - /ping does not ask the database: a restart would not bring the database back.
//   - /long_dummy takes 3 s; the time in its answer is that of its end.
//   - JSON: the keys are the columns of the tables. A session contains its whole customer and
//     film. Lists are bare arrays. Every other object also has "host" and "time" (the node's, RFC
//     3339), because the answers of the original contain the node's time.
//   - Errors: {"error": "…"} with 400 (bad input), 404 (no such row or page), 405, 500 (database),
//     503 (limiter).
//   - Methods: only /api and /operation check the method.
//   - Lists: films by year (newest first), name, id (newest first); customers by surname, name,
//     birthday (youngest first), id (newest first). Both have a time limit of 1 minute.
//   - GET /api/session/{id} joins like the list of sessions, so it needs an index on all three
//     tables. A session whose customer or film is missing is in no answer. POST accepts such a
//     session: there are no foreign keys.
//   - POST /api/session: 200 and the new session with its id. DELETE: 200 and {"deleted": id}, or
//     404 if there is no such session.
//   - A query ends when its client disconnects, as in Go's server and database/sql.
//   - prepare_db takes tens of seconds, not minutes. It uses two connections and transactions of
//     250 000 rows, so an interrupted run leaves a part of the rows. Progress goes to stdout. A
//     row is a pure function of table and id: two seedings are equal.
//   - A second prepare_db creates no table, and inserts every row again with the same id (where
//     there are keys, it fails).
//
// # The lab-only file
//
// /etc/bingo-lab.conf changes the behaviour. It has lines "key = value" and is read again within a
// second. Without it the stand-in behaves like the original. The original reads no such file, and
// the runbook never touches it.
//
//	deaths        = real | off | mean seconds    lifetime: 0.5 to 1.5 times the mean
//	                                             (a change restarts the clock)
//	death_kinds   = exit,panic,leak,500          the kinds of death
//	scale         = 1.0                          factor on the row counts of prepare_db
//	slow_ms       = 0                            milliseconds added to each read of the database
//	leak_mb_per_s = 20                           megabytes a second
//	leak_max_mb   = 2048                         megabytes leaked before SIGKILL, at most 2048
//	error_every   = 0                            one in this many reads of /api answers 500
//	dies_after_s  = 0                            seconds from the start of serving to an exit
//	refuses_on    =                              the host, or *, where it ends before it serves
//
// The same lines at the end of the program's own file make a release with these settings
// (lab/releases.py).
package main
