package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const index = "Hi. Accept my congratulations. You were able to launch this app.\n" +
	"In the text of the task, you were given a list of urls and requirements for their work.\n" +
	"Get on with it. You can do it, you'll do it.\n"

type app struct {
	data   *database
	faults *faults
	lab    *lab
	noise  *noise
	host   string
	reads  uint64
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.index)
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("pong")) })
	mux.HandleFunc("/db_dummy", a.dbDummy)
	mux.HandleFunc("/long_dummy", a.longDummy)
	mux.HandleFunc("/operation", a.operation)
	for name, t := range tables {
		mux.HandleFunc("/api/"+name, a.serveList(name, t))
		mux.HandleFunc("/api/"+name+"/", a.serveRow(name, t))
	}
	return a.logRequests(a.limitRequests(mux, newLimiter(a.noise.tick)))
}

// limitRequests limits all requests, also /ping, and answers 500 to all of them if the process is
// ill.
func (a *app) limitRequests(next http.Handler, limit limiter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !limit.take():
			a.writeError(w, http.StatusServiceUnavailable, "too many requests")
		case a.faults.isIll():
			a.writeIll(w)
		case a.injectsError(r):
			a.writeError(w, http.StatusInternalServerError, "bad luck")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// injectsError reports whether this read of /api must fail: one in error_every, in a release that
// sets it.
func (a *app) injectsError(r *http.Request) bool {
	every := uint64(a.lab.number("error_every", 0))
	if every == 0 || !strings.HasPrefix(r.URL.Path, "/api/") {
		return false
	}
	return atomic.AddUint64(&a.reads, 1)%every == 0
}

// logRequests writes a log line for every request.
func (a *app) logRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, seen := time.Now(), &status{w, http.StatusOK}
		next.ServeHTTP(seen, r)
		a.noise.request()
		a.noise.logger.Info("Request was handled", zap.String("method", r.Method),
			zap.String("path", r.URL.Path), zap.Int("status", seen.code),
			zap.Duration("took", time.Since(began)), zap.String("remote", r.RemoteAddr))
	})
}

// status remembers the status of the response.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (a *app) index(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		a.writeError(w, http.StatusNotFound, "not found")
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Write([]byte(index + code("index_page_is_awesome")))
}

func (a *app) dbDummy(w http.ResponseWriter, r *http.Request) {
	if _, err := a.data.pool().ExecContext(r.Context(), "SELECT pg_sleep(0.1)"); err != nil {
		a.writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	a.writeObject(w, struct {
		Result string `json:"result"`
	}{"ok"})
}

func (a *app) longDummy(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(3 * time.Second)
	a.writeObject(w, struct {
		Result string `json:"result"`
	}{"that took long"})
}

func (a *app) operation(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Operation *int64 `json:"operation"`
	}
	switch {
	case r.Method != http.MethodPost:
		a.writeError(w, http.StatusMethodNotAllowed, "only POST")
		return
	case json.NewDecoder(r.Body).Decode(&asked) != nil || asked.Operation == nil:
		a.writeError(w, http.StatusBadRequest, "operation must be an integer")
		return
	}
	a.faults.poison(*asked.Operation)
	if a.faults.isIll() {
		a.writeIll(w)
		return
	}
	a.writeObject(w, asked)
}

func (a *app) writeIll(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusInternalServerError)
	w.Write([]byte("I feel bad."))
}

// writeObject answers with an object, to which it adds the node's name and time.
func (a *app) writeObject(w http.ResponseWriter, object interface{}) {
	a.writeJSON(w, http.StatusOK, object)
}

func (a *app) writeError(w http.ResponseWriter, status int, reason string) {
	a.writeJSON(w, status, struct {
		Error string `json:"error"`
	}{reason})
}

func (a *app) writeJSON(w http.ResponseWriter, status int, object interface{}) {
	body, _ := json.Marshal(object)
	stamp, _ := json.Marshal(struct {
		Host string    `json:"host"`
		Time time.Time `json:"time"`
	}{a.host, time.Now().UTC()})
	body = bytes.Join([][]byte{body[:len(body)-1], stamp[1:]}, []byte(","))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
