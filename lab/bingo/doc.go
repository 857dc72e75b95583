// Command bingo is the lab's stand-in for the opaque binary of the same name, whose vendor is gone. It follows what is
// publicly known of the original (build 20231121T1537): command line, messages, exit codes, paths, log volume, endpoints,
// SQL, limits and faults. Nothing in the runbook knows its inside; the lab and its tests do.
//
// # Chosen freely
//
// Nobody knows these of the original. Where a choice makes a runbook's life easier or harder, it is the harder one.
//
//   - port: 2281 + the first 4 bytes of SHA-256("port of " + e-mail) modulo 30582: the range that was observed, ends included.
//   - root is refused before anything else, whatever the arguments; on stderr, exit 1.
//   - a config that is no YAML: "panic: failed to parse config data", like its neighbour for a missing one.
//   - database at the start: all hosts are asked at once, once, for 5 s at most; none a primary: the reported error.
//   - database later: the same every 5 s; the first that is no standby is used from then on, none: the old one stays in use.
//     Two connections are used for that; they are the 2 idle ones people saw.
//   - use_closest_node: true changes nothing.
//   - 8.8.8.8: an answer to the call starts the server as a time-out does, without the block for a fast failure.
//   - a port that is taken: "Error: failed Listen: …", exit 1.
//   - memory: 20 MB more from the start, so that it has the size people saw. A long list needs up to 100 MB for a while.
//   - log: os_env is $ENV; the extras; a line for every refill of the limiter (20 a second), one more for every request.
//   - limiter: bursts of 5; a request waits at most 1 s for its token, then gets the 503; ill or not.
//   - lifetime: 10 to 25 minutes from the second of the start, which draws it, so that two started together die together.
//   - kind of death: drawn from the same second, the four ways in equal shares; a silent exit has code 0 or 1.
//   - leak: 20 MB/s. After 2 GiB, or when the machine has less than 1 GB left, the process kills itself by SIGKILL, as the
//     kernel would sooner or later: a lab must not hurt the machine it stands on.
//   - poison: the request that panics the process gets no answer; the one that makes it ill is the first to get its 500.
//   - SIGTERM: the port is closed, what is in flight gets 4 s to end (longer than /long_dummy takes); exit code 0.
//   - /ping does not ask the database: a restart would not bring that back.
//   - /long_dummy: takes 3 s; its time is that of its end.
//   - JSON: the tables' columns as keys; a session carries its customer and its film whole; lists are bare arrays. Every
//     object also has "host" and "time" (the node's, RFC 3339), since the original's answers carry the node's time.
//   - errors: {"error": "…"} with 400 (bad input), 404 (no such row or page), 405, 500 (database), 503 (limiter).
//   - methods: only /api and /operation care about them.
//   - lists: films by year (newest first), name, id (newest first); customers by surname, name, birthday (youngest first), id (newest
//     first); both with a time limit of 1 minute.
//   - GET /api/session/{id} joins like its list: it wants an index on all three tables, and a session whose customer or film
//     is missing is in no answer. POST lets such a one in: there are no foreign keys.
//   - POST /api/session: 200 and the new session with its id. DELETE: 200 and {"deleted": id}; 404 when there is none.
//   - a query ends when its client goes away, as Go's server and database/sql do it by themselves.
//   - prepare_db: tens of seconds, not minutes; two connections, 250 000 rows a transaction, so one that is cut off leaves a
//     part of the rows. Progress goes to stdout. Rows are a pure function of table and id: any two seedings are alike.
//   - prepare_db again: creates nothing, and adds every row once more under the same id (where there are keys, it fails).
//
// # The lab-only file
//
// /etc/bingo-lab.conf bends it: lines "key = value", read again within a second. Absent: the real behaviour. The original
// reads no such file, and the runbook never touches it.
//
//	deaths        = real | off | mean seconds    lifetime 0.5 to 1.5 times the mean; a change starts the clock anew
//	death_kinds   = exit,panic,leak,500          which kinds there are
//	scale         = 1.0                          factor on prepare_db's row counts
//	slow_ms       = 0                            milliseconds added to each read of the database
//	leak_mb_per_s = 20                           megabytes a second
//	leak_max_mb   = 2048                         megabytes leaked before SIGKILL, at most 2048
//	error_every   = 0                            every so manieth read of /api answers 500
//	dies_after_s  = 0                            exits so many seconds after it began to serve
//	refuses_on    =                              a host's name, or *: there it ends before it serves
//
// The same lines at the end of the file itself make a release that is so by nature (lab/releases.py).
package main
