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

const probeTime = 5 * time.Second // between two looks for the primary, and the longest that one takes

// database finds the primary among its hosts and keeps looking. Its pools are database/sql's defaults: 2 idle, no limit.
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
	if !d.look() {
		return nil, errors.New("failed Init Core: failed NewDatabase: could not connect to any host from the list")
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

func (d *database) watch() {
	for range time.Tick(probeTime) {
		d.look()
	}
}

// look asks all hosts at once: one that is switched off, with connections open to it, answers nothing for many minutes.
func (d *database) look() bool {
	late := time.After(probeTime)
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

// isPrimary uses two connections at once: the two that stay idle in the pool.
func isPrimary(pool *sql.DB) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
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
