package main

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger writes JSON lines to path, whose directory must exist. It never rotates or reopens the
// file.
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
		zap.String("app_name", "bingo"), zap.String("app_version", version),
		zap.String("log_path", path),
		zap.String("os_env", os.Getenv("ENV")), zap.String("os_hostname", host),
		zap.Int("os_pid", os.Getpid()), zap.Int("os_uid", os.Getuid()),
		zap.String("go_version", runtime.Version()),
	)
}

// noise fills the disk with log lines: about 20 a second of about 560 bytes, without any request.
type noise struct {
	logger   *zap.Logger
	started  time.Time
	requests int64
	ticks    int
	memory   runtime.MemStats
}

func (n *noise) request() { atomic.AddInt64(&n.requests, 1) }

func (n *noise) tick() {
	if n.ticks%20 == 0 {
		runtime.ReadMemStats(&n.memory)
	}
	n.ticks++
	n.logger.Info("Everything is fine, keep calm and carry on, nothing to see here",
		zap.Int("tick", n.ticks), zap.Duration("uptime", time.Since(n.started)),
		zap.Int64("requests", atomic.LoadInt64(&n.requests)),
		zap.Int("goroutines", runtime.NumGoroutine()), zap.Uint64("heap", n.memory.HeapAlloc),
		zap.String("component", "core"),
		zap.String("subsystem", "background-observer"),
		zap.String("comment", "this line is as useful as it is short, and nobody will ever read it"))
}
