package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const labPath = "/etc/bingo-lab.conf"

// lab is what the lab-only file says; it is read again at most once a second.
type lab struct {
	mutex  sync.Mutex
	read   time.Time
	values map[string]string
}

func (l *lab) get(key, otherwise string) string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if time.Since(l.read) > time.Second {
		l.read, l.values = time.Now(), parseLab()
	}
	if value := l.values[key]; value != "" {
		return value
	}
	return otherwise
}

func (l *lab) number(key string, otherwise float64) float64 {
	if value, err := strconv.ParseFloat(l.get(key, ""), 64); err == nil && value >= 0 {
		return value
	}
	return otherwise
}

func parseLab() map[string]string {
	values := map[string]string{}
	data, _ := os.ReadFile(labPath) // absent: the real behaviour
	for _, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if name, value, found := strings.Cut(line, "="); found {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return values
}
