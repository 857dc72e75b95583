package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// serveList serves a table's list. POST on the list of sessions creates a session.
func (a *app) serveList(name string, t table) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isRead(r):
			a.writeList(w, r, t)
		case r.Method == http.MethodPost && name == "session":
			a.createSession(w, r)
		default:
			a.writeError(w, http.StatusMethodNotAllowed, "no such method here")
		}
	}
}

// serveRow serves a table's single rows. DELETE deletes a session.
func (a *app) serveRow(name string, t table) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/api/"+name+"/"), 10, 64)
		switch {
		case err != nil:
			a.writeError(w, http.StatusBadRequest, "the id must be an integer")
		case isRead(r):
			a.writeRow(w, r, t, id)
		case r.Method == http.MethodDelete && name == "session":
			a.deleteSession(w, r, id)
		default:
			a.writeError(w, http.StatusMethodNotAllowed, "no such method here")
		}
	}
}

func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

func (a *app) writeList(w http.ResponseWriter, r *http.Request, t table) {
	defer debug.FreeOSMemory() // a list's garbage is as big as the rest of the process
	ctx, cancel := context.WithTimeout(r.Context(), t.limit)
	defer cancel()
	var text bytes.Buffer
	separator := byte('[')
	err := a.query(ctx, t.row, t.query+t.order+" LIMIT 100000", nil, func(object interface{}) error {
		text.WriteByte(separator)
		separator = ','
		return json.NewEncoder(&text).Encode(object)
	})
	switch {
	case err != nil:
		a.writeError(w, http.StatusInternalServerError, err.Error())
		return
	case text.Len() == 0:
		text.WriteByte('[')
	}
	text.WriteString("]\n")
	w.Header().Set("Content-Type", "application/json")
	w.Write(text.Bytes())
}

func (a *app) writeRow(w http.ResponseWriter, r *http.Request, t table, id int64) {
	var found interface{}
	keep := func(object interface{}) error {
		found = object
		return nil
	}
	err := a.query(r.Context(), t.row, t.query+t.byID, []interface{}{id}, keep)
	switch {
	case err != nil:
		a.writeError(w, http.StatusInternalServerError, err.Error())
	case found == nil:
		a.writeError(w, http.StatusNotFound, "no such row")
	default:
		a.writeObject(w, found)
	}
}

// query runs a query and calls take with each row.
func (a *app) query(
	ctx context.Context, row reader, query string, arguments []interface{},
	take func(interface{}) error,
) error {
	time.Sleep(time.Duration(a.lab.number("slow_ms", 0) * float64(time.Millisecond)))
	rows, err := a.data.pool().QueryContext(ctx, query, arguments...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		object, err := row(rows)
		if err != nil {
			return err
		}
		if err := take(object); err != nil {
			return err
		}
	}
	return rows.Err()
}

// newSession is a session in a POST: with the ids of its customer and its film.
type newSession struct {
	ID       int64      `json:"id"`
	Start    *time.Time `json:"start_time"`
	Customer *int32     `json:"customer_id"`
	Movie    *int32     `json:"movie_id"`
}

func (a *app) createSession(w http.ResponseWriter, r *http.Request) {
	var s newSession
	err := json.NewDecoder(r.Body).Decode(&s)
	if err != nil || s.Start == nil || s.Customer == nil || s.Movie == nil {
		a.writeError(w, http.StatusBadRequest,
			"start_time (RFC 3339), customer_id and movie_id are needed")
		return
	}
	*s.Start = s.Start.UTC() // the column has no time zone
	err = a.data.pool().QueryRowContext(r.Context(),
		"INSERT INTO sessions (start_time, customer_id, movie_id) VALUES ($1, $2, $3) RETURNING id",
		*s.Start, *s.Customer, *s.Movie).Scan(&s.ID)
	if err != nil {
		a.writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	a.writeObject(w, s)
}

func (a *app) deleteSession(w http.ResponseWriter, r *http.Request, id int64) {
	done, err := a.data.pool().ExecContext(r.Context(), "DELETE FROM sessions WHERE id = $1", id)
	if err != nil {
		a.writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	if rows, _ := done.RowsAffected(); rows == 0 {
		a.writeError(w, http.StatusNotFound, "no such session")
		return
	}
	a.writeObject(w, struct {
		Deleted int64 `json:"deleted"`
	}{id})
}
