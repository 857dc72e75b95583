package main

import (
	"database/sql"
	"time"
)

// table holds the queries of one table. limit is the time limit of the list; row reads one row.
type table struct {
	query, order, byID string
	limit              time.Duration
	row                reader
}

type reader func(*sql.Rows) (interface{}, error)

var tables = map[string]table{
	"movie": {
		"SELECT id, name, year, duration FROM movies",
		" ORDER BY year DESC, name, id DESC", " WHERE id = $1::bigint", time.Minute, movieRow,
	},
	"customer": {
		"SELECT id, name, surname, to_char(birthday, 'YYYY-MM-DD'), email FROM customers",
		" ORDER BY surname, name, birthday DESC, id DESC", " WHERE id = $1::bigint",
		time.Minute, customerRow,
	},
	"session": {
		`SELECT sessions.id, sessions.start_time, customers.id, customers.name, customers.surname,
  to_char(customers.birthday, 'YYYY-MM-DD'), customers.email,
  movies.id, movies.name, movies.year, movies.duration
FROM sessions JOIN customers ON sessions.customer_id = customers.id
JOIN movies ON sessions.movie_id = movies.id`,
		" ORDER BY movies.year DESC, movies.name, customers.id, sessions.id DESC",
		" WHERE sessions.id = $1::bigint", 20 * time.Second, sessionRow,
	},
}

type movie struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Year     int    `json:"year"`
	Duration int64  `json:"duration"`
}

type customer struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Surname  string `json:"surname"`
	Birthday string `json:"birthday"`
	Email    string `json:"email"`
}

type session struct {
	ID       int64     `json:"id"`
	Start    time.Time `json:"start_time"`
	Customer customer  `json:"customer"`
	Movie    movie     `json:"movie"`
}

func (m *movie) fields() []interface{} {
	return []interface{}{&m.ID, &m.Name, &m.Year, &m.Duration}
}

func (c *customer) fields() []interface{} {
	return []interface{}{&c.ID, &c.Name, &c.Surname, &c.Birthday, &c.Email}
}

func movieRow(rows *sql.Rows) (interface{}, error) {
	m := &movie{}
	return m, rows.Scan(m.fields()...)
}

func customerRow(rows *sql.Rows) (interface{}, error) {
	c := &customer{}
	return c, rows.Scan(c.fields()...)
}

func sessionRow(rows *sql.Rows) (interface{}, error) {
	s := &session{}
	fields := append([]interface{}{&s.ID, &s.Start}, s.Customer.fields()...)
	return s, rows.Scan(append(fields, s.Movie.fields()...)...)
}
