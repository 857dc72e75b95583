package main

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger writes JSON lines to path; its directory must exist. The file is never rotated and never reopened.
func newLogger(path string) *zap.Logger {
	settings := zap.NewProductionConfig()
	settings.Sampling = nil
	settings.OutputPaths = []string{path}
	settings.EncoderConfig.TimeKey = "timestamp"
	settings.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	logger, err := settings.Build()
	if err != nil {
		panic("failed to build logger")
	}
	host, _ := os.Hostname()
	return logger.With(
		zap.String("app_name", "bingo"), zap.String("app_version", version), zap.String("log_path", path),
		zap.String("os_env", os.Getenv("ENV")), zap.String("os_hostname", host), zap.Int("os_pid", os.Getpid()),
		zap.Int("os_uid", os.Getuid()), zap.String("go_version", runtime.Version()),
	)
}

// chatter is what fills disks: about 20 lines a second of about 560 bytes, asked or not.
type chatter struct {
	logger   *zap.Logger
	started  time.Time
	requests int64
	ticks    int
	memory   runtime.MemStats
}

func (c *chatter) request() { atomic.AddInt64(&c.requests, 1) }

func (c *chatter) tick() {
	if c.ticks%20 == 0 {
		runtime.ReadMemStats(&c.memory)
	}
	c.ticks++
	c.logger.Info("Everything is fine, keep calm and carry on, nothing to see here",
		zap.Int("tick", c.ticks), zap.Duration("uptime", time.Since(c.started)), zap.Int64("requests", atomic.LoadInt64(&c.requests)),
		zap.Int("goroutines", runtime.NumGoroutine()), zap.Uint64("heap", c.memory.HeapAlloc), zap.String("component", "core"),
		zap.String("subsystem", "background-observer"),
		zap.String("comment", "this line is as useful as it is short, and nobody will ever read it"))
}
