package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	_ "github.com/lib/pq"
)

// probeSeconds is the pause between two searches for the primary, and the time limit of a search.
const probeSeconds = 5 * time.Second

// database finds the primary among its hosts, and searches again all the time. Its pools have the
// defaults of database/sql: 2 idle connections, no upper limit.
type database struct {
	pools   []*sql.DB
	primary atomic.Value // *sql.DB
}

func newDatabase(c cluster) (*database, error) {
	d := &database{}
	for _, host := range c.Hosts {
		pool, err := sql.Open("postgres", dsn(c, host))
		if err != nil {
			return nil, err
		}
		d.pools = append(d.pools, pool)
	}
	if !d.findPrimary() {
		return nil, errors.New("failed Init Core: failed NewDatabase: " +
			"could not connect to any host from the list")
	}
	return d, nil
}

func dsn(c cluster, host address) string {
	quote := func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
	}
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=%s connect_timeout=5",
		quote(host.Address), host.Port, quote(c.User), quote(c.Password), quote(c.Name), quote(c.SSLMode))
}

func (d *database) watchPrimary() {
	for range time.Tick(probeSeconds) {
		d.findPrimary()
	}
}

// findPrimary asks all hosts at once: a host that lost its power while connections are open does
// not answer for many minutes.
func (d *database) findPrimary() bool {
	late := time.After(probeSeconds)
	answers := make(chan *sql.DB, len(d.pools))
	for _, pool := range d.pools {
		go func(pool *sql.DB) {
			if !isPrimary(pool) {
				pool = nil
			}
			answers <- pool
		}(pool)
	}
	for range d.pools {
		select {
		case pool := <-answers:
			if pool != nil {
				d.primary.Store(pool)
				return true
			}
		case <-late:
			return false
		}
	}
	return false
}

// isPrimary uses two connections at once: they stay in the pool as its two idle connections.
func isPrimary(pool *sql.DB) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeSeconds)
	defer cancel()
	standby := true
	for range [2]int{} {
		connection, err := pool.Conn(ctx)
		if err != nil {
			return false
		}
		defer connection.Close()
		if connection.QueryRowContext(ctx, "SELECT pg_is_in_recovery()").Scan(&standby) != nil {
			return false
		}
	}
	return !standby
}

func (d *database) pool() *sql.DB { return d.primary.Load().(*sql.DB) }
