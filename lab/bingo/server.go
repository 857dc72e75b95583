package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	ruler    = "--------------------------------------------------\n"
	congrats = "My congratulations.\nYou were able to start the server.\n" +
		"Here's a secret code that confirms that you did it.\n"
	googleTimeout = 30 * time.Second
	shutdownTime  = 4 * time.Second // longer than /long_dummy takes
)

// ballast makes the process as big as the original. It is allocated outside the garbage collector,
// which would otherwise adapt to it.
const ballast = 20 << 20 // bytes

func allocateBallast() {
	access := syscall.PROT_READ | syscall.PROT_WRITE
	memory, _ := syscall.Mmap(-1, 0, ballast, access, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}

func code(name string) string { return ruler + "code:         " + name + "\n" + ruler }

// serve starts in the order of the original: configuration, log, database, the call to 8.8.8.8, the
// port.
func serve() error {
	started := time.Now()
	settings := readConfig()
	logger := newLogger(settings.logPath())
	logger.Info("Starting server")
	data, err := newDatabase(settings.Postgres)
	if err != nil {
		logger.Info("Database not found", zap.Error(err))
		return err
	}
	callGoogle(logger)
	host, _ := os.Hostname()
	conf := &lab{}
	if refuses := conf.get("refuses_on", ""); refuses == host || refuses == "*" {
		return errors.New("failed Init Core: this release refuses to run on this host")
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", settings.port()))
	if err != nil {
		return fmt.Errorf("failed Listen: %w", err)
	}
	allocateBallast()
	fmt.Print(congrats + code("yoohoo_server_launched"))
	a := &app{
		data:   data,
		faults: &faults{lab: conf, started: started},
		lab:    conf,
		noise:  &noise{logger: logger, started: started},
		host:   host,
	}
	go data.watchPrimary()
	go a.faults.dieAtEndOfLife()
	if seconds := conf.number("dies_after_s", 0); seconds > 0 {
		time.AfterFunc(time.Duration(seconds*float64(time.Second)), func() { os.Exit(1) })
	}
	return serveUntilSignal(&http.Server{Handler: a.routes()}, listener, logger)
}

// callGoogle stalls the start: for 30 s where packets are dropped, not at all where the call fails
// fast.
func callGoogle(logger *zap.Logger) {
	began := time.Now()
	// This transport takes no proxy from the environment.
	client := http.Client{Timeout: googleTimeout, Transport: &http.Transport{}}
	answer, err := client.Get("http://8.8.8.8/")
	if err == nil {
		answer.Body.Close()
		return
	}
	logger.Info("Google DNS is not HTTP", zap.Error(err), zap.Duration("took", time.Since(began)))
	if time.Since(began) < googleTimeout-time.Second {
		fmt.Print(code("google_dns_is_not_http"))
	}
}

// serveUntilSignal serves until SIGTERM or SIGINT; then requests in flight have 4 s to end.
func serveUntilSignal(server *http.Server, listener net.Listener, logger *zap.Logger) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case received := <-stop:
		logger.Info("Stopping server", zap.Stringer("signal", received))
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		server.Shutdown(ctx)
		return nil
	}
}
