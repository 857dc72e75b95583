package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/lib/pq"
	"go.uber.org/zap"
)

const (
	jobRows   = 250000 // rows in one transaction
	copyBytes = 60000  // bytes passed to the driver at once
	workers   = 2
)

// Like the original, only schema_migrations has a key: golang-migrate makes it.
const schema = `
CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY,
  dirty boolean NOT NULL);
CREATE TABLE IF NOT EXISTS customers (id serial, name varchar(80) NOT NULL,
  surname varchar(80) NOT NULL, birthday date NOT NULL, email varchar(256) NOT NULL);
CREATE TABLE IF NOT EXISTS movies (id serial, name varchar NOT NULL, year int NOT NULL,
  duration bigint NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (id bigserial, start_time timestamp NOT NULL,
  customer_id int NOT NULL, movie_id int NOT NULL);
INSERT INTO schema_migrations VALUES (1, false) ON CONFLICT DO NOTHING`

// job is a range of rows to insert into one table.
type job struct {
	seed     *tableSeed
	from, to int
}

// prepare creates the tables and fills them. It reports progress as JSON lines on stdout.
func prepare() error {
	settings := readConfig()
	logger := newLogger("stdout")
	data, err := newDatabase(settings.Postgres)
	if err != nil {
		return err
	}
	logger.Info("Migrations are being applied")
	if _, err := data.pool().Exec(schema); err != nil {
		return fmt.Errorf("failed PrepareDB: failed migrations: %w", err)
	}
	made := tableSeeds((&lab{}).number("scale", 1))
	if err := fill(data.pool(), splitIntoJobs(made), logger); err != nil {
		return fmt.Errorf("failed PrepareDB: failed filling: %w", err)
	}
	for _, s := range made {
		if err := setSequence(data.pool(), s); err != nil {
			return fmt.Errorf("failed PrepareDB: failed sequences: %w", err)
		}
	}
	logger.Info("Data initialisation compleat.")
	return nil
}

func scaled(count int, scale float64) int {
	return int(math.Max(1, math.Round(float64(count)*scale)))
}

func splitIntoJobs(made []*tableSeed) []job {
	var jobs []job
	for _, s := range made {
		for from := 1; from <= s.count; from += jobRows {
			to := from + jobRows - 1
			if to > s.count {
				to = s.count
			}
			jobs = append(jobs, job{seed: s, from: from, to: to})
		}
	}
	return jobs
}

// fill runs the jobs in their order, two at a time. It returns the first error.
func fill(pool *sql.DB, jobs []job, logger *zap.Logger) error {
	queue, results := make(chan job), make(chan error, workers)
	stop := make(chan struct{})
	for i := 0; i < workers; i++ {
		go func() { results <- work(pool, queue, logger) }()
	}
	go func() {
		defer close(queue)
		for _, j := range jobs {
			select {
			case queue <- j:
			case <-stop:
				return
			}
		}
	}()
	var first error
	for i := 0; i < workers; i++ {
		if err := <-results; err != nil && first == nil {
			first = err
			close(stop)
		}
	}
	return first
}

func work(pool *sql.DB, queue <-chan job, logger *zap.Logger) error {
	connection, err := pool.Conn(context.Background())
	if err != nil {
		return err
	}
	defer connection.Close()
	for j := range queue {
		err := connection.Raw(func(raw interface{}) error { return j.copyInto(raw.(driver.Conn)) })
		if err != nil {
			return err
		}
		logger.Info("Filling "+j.seed.table,
			zap.Int("from", j.from), zap.Int("to", j.to), zap.Int("of", j.seed.count))
	}
	return nil
}

// copyInto uses the driver directly: database/sql would inspect each of 20 million values.
func (j job) copyInto(connection driver.Conn) error {
	transaction, err := connection.Begin()
	if err != nil {
		return err
	}
	if err := j.stream(connection); err != nil {
		transaction.Rollback()
		return err
	}
	return transaction.Commit()
}

func (j job) stream(connection driver.Conn) error {
	statement, err := connection.Prepare(pq.CopyIn(j.seed.table, j.seed.columns...))
	if err != nil {
		return err
	}
	defer statement.Close()
	copying, able := statement.(interface {
		CopyData(context.Context, string) (driver.Result, error)
	})
	if !able {
		return errors.New("the driver cannot take lines of text")
	}
	lines := make([]byte, 0, copyBytes+1000)
	for id := j.from; id <= j.to; id++ {
		lines = j.seed.line(append(lines, '\n'), id)
		if len(lines) > copyBytes || id == j.to {
			if _, err := copying.CopyData(context.Background(), string(lines[1:])); err != nil {
				return err
			}
			lines = lines[:0]
		}
	}
	_, err = statement.Exec(nil)
	return err
}

// setSequence sets the sequence so that the next new row gets the id after the last one.
func setSequence(pool *sql.DB, s *tableSeed) error {
	text := "SELECT setval(pg_get_serial_sequence('TABLE', 'id'), max(id)) FROM TABLE"
	_, err := pool.Exec(strings.ReplaceAll(text, "TABLE", s.table))
	return err
}
