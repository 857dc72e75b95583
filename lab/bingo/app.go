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
	chat   *chatter
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
		mux.HandleFunc("/api/"+name, a.whole(name, t))
		mux.HandleFunc("/api/"+name+"/", a.single(name, t))
	}
	return a.counted(a.limited(mux, newLimiter(a.chat.tick)))
}

// limited counts every request, /ping too, and answers 500 to all of them when the process is ill.
func (a *app) limited(next http.Handler, limit limiter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !limit.take():
			a.fail(w, http.StatusServiceUnavailable, "too many requests")
		case a.faults.sick():
			a.feelBad(w)
		case a.unlucky(r):
			a.fail(w, http.StatusInternalServerError, "bad luck")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// unlucky is every so manieth read of /api, where a release is made so.
func (a *app) unlucky(r *http.Request) bool {
	every := uint64(a.lab.number("error_every", 0))
	return every > 0 && strings.HasPrefix(r.URL.Path, "/api/") && atomic.AddUint64(&a.reads, 1)%every == 0
}

// counted writes a line of log for every request.
func (a *app) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, seen := time.Now(), &status{w, http.StatusOK}
		next.ServeHTTP(seen, r)
		a.chat.request()
		a.chat.logger.Info("Request was handled", zap.String("method", r.Method), zap.String("path", r.URL.Path),
			zap.Int("status", seen.code), zap.Duration("took", time.Since(began)), zap.String("remote", r.RemoteAddr))
	})
}

// status remembers the status that was answered.
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
		a.fail(w, http.StatusNotFound, "not found")
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Write([]byte(index + code("index_page_is_awesome")))
}

func (a *app) dbDummy(w http.ResponseWriter, r *http.Request) {
	if _, err := a.data.pool().ExecContext(r.Context(), "SELECT pg_sleep(0.1)"); err != nil {
		a.fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	a.say(w, struct {
		Result string `json:"result"`
	}{"ok"})
}

func (a *app) longDummy(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(3 * time.Second)
	a.say(w, struct {
		Result string `json:"result"`
	}{"that took long"})
}

func (a *app) operation(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Operation *int64 `json:"operation"`
	}
	switch {
	case r.Method != http.MethodPost:
		a.fail(w, http.StatusMethodNotAllowed, "only POST")
		return
	case json.NewDecoder(r.Body).Decode(&asked) != nil || asked.Operation == nil:
		a.fail(w, http.StatusBadRequest, "operation must be an integer")
		return
	}
	a.faults.poison(*asked.Operation)
	if a.faults.sick() {
		a.feelBad(w)
		return
	}
	a.say(w, asked)
}

func (a *app) feelBad(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusInternalServerError)
	w.Write([]byte("I feel bad."))
}

// say answers with an object, and the node's name and time in it.
func (a *app) say(w http.ResponseWriter, object interface{}) {
	a.send(w, http.StatusOK, object)
}

func (a *app) fail(w http.ResponseWriter, status int, reason string) {
	a.send(w, status, struct {
		Error string `json:"error"`
	}{reason})
}

func (a *app) send(w http.ResponseWriter, status int, object interface{}) {
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
