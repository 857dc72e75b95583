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

// whole serves a table's list; for sessions it also takes new ones.
func (a *app) whole(name string, t table) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case reads(r):
			a.list(w, r, t)
		case r.Method == http.MethodPost && name == "session":
			a.create(w, r)
		default:
			a.fail(w, http.StatusMethodNotAllowed, "no such method here")
		}
	}
}

// single serves a table's single rows; sessions can also be deleted.
func (a *app) single(name string, t table) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/api/"+name+"/"), 10, 64)
		switch {
		case err != nil:
			a.fail(w, http.StatusBadRequest, "the id must be an integer")
		case reads(r):
			a.row(w, r, t, id)
		case r.Method == http.MethodDelete && name == "session":
			a.remove(w, r, id)
		default:
			a.fail(w, http.StatusMethodNotAllowed, "no such method here")
		}
	}
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func (a *app) list(w http.ResponseWriter, r *http.Request, t table) {
	defer debug.FreeOSMemory() // a list leaves as much garbage as the process is big
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
		a.fail(w, http.StatusInternalServerError, err.Error())
		return
	case text.Len() == 0:
		text.WriteByte('[')
	}
	text.WriteString("]\n")
	w.Header().Set("Content-Type", "application/json")
	w.Write(text.Bytes())
}

func (a *app) row(w http.ResponseWriter, r *http.Request, t table, id int64) {
	var found interface{}
	err := a.query(r.Context(), t.row, t.query+t.byID, []interface{}{id}, func(object interface{}) error {
		found = object
		return nil
	})
	switch {
	case err != nil:
		a.fail(w, http.StatusInternalServerError, err.Error())
	case found == nil:
		a.fail(w, http.StatusNotFound, "no such row")
	default:
		a.say(w, found)
	}
}

// query hands over each row that the database finds.
func (a *app) query(ctx context.Context, row reader, query string, arguments []interface{}, take func(interface{}) error) error {
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

// showing is a session as it is written: with the ids of its customer and its film.
type showing struct {
	ID       int64      `json:"id"`
	Start    *time.Time `json:"start_time"`
	Customer *int32     `json:"customer_id"`
	Movie    *int32     `json:"movie_id"`
}

func (a *app) create(w http.ResponseWriter, r *http.Request) {
	var s showing
	if json.NewDecoder(r.Body).Decode(&s) != nil || s.Start == nil || s.Customer == nil || s.Movie == nil {
		a.fail(w, http.StatusBadRequest, "start_time (RFC 3339), customer_id and movie_id are needed")
		return
	}
	*s.Start = s.Start.UTC() // the column knows no zones
	err := a.data.pool().QueryRowContext(r.Context(),
		"INSERT INTO sessions (start_time, customer_id, movie_id) VALUES ($1, $2, $3) RETURNING id",
		*s.Start, *s.Customer, *s.Movie).Scan(&s.ID)
	if err != nil {
		a.fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	a.say(w, s)
}

func (a *app) remove(w http.ResponseWriter, r *http.Request, id int64) {
	done, err := a.data.pool().ExecContext(r.Context(), "DELETE FROM sessions WHERE id = $1", id)
	if err != nil {
		a.fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	if rows, _ := done.RowsAffected(); rows == 0 {
		a.fail(w, http.StatusNotFound, "no such session")
		return
	}
	a.say(w, struct {
		Deleted int64 `json:"deleted"`
	}{id})
}
