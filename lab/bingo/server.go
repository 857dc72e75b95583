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
	stall    = 30 * time.Second
	farewell = 4 * time.Second // longer than /long_dummy
)

// ballast makes it as big as the original, beyond the garbage collector's sums.
const ballast = 20 << 20 // bytes

func grow() {
	memory, _ := syscall.Mmap(-1, 0, ballast, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}

func code(name string) string { return ruler + "code:         " + name + "\n" + ruler }

// serve starts in the original's order: configuration, log, database, the call to 8.8.8.8, the port.
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
	askGoogle(logger)
	host, _ := os.Hostname()
	conf := &lab{}
	if refuses := conf.get("refuses_on", ""); refuses == host || refuses == "*" {
		return errors.New("failed Init Core: this release does not like it here")
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", settings.port()))
	if err != nil {
		return fmt.Errorf("failed Listen: %w", err)
	}
	grow()
	fmt.Print(congrats + code("yoohoo_server_launched"))
	a := &app{data, &faults{lab: conf, started: started}, conf, &chatter{logger: logger, started: started}, host, 0}
	go data.watch()
	go a.faults.mortality()
	if seconds := conf.number("dies_after_s", 0); seconds > 0 {
		time.AfterFunc(time.Duration(seconds*float64(time.Second)), func() { os.Exit(1) })
	}
	return until(&http.Server{Handler: a.routes()}, listener, logger)
}

// askGoogle is the stall: 30 s where packets vanish, nothing where the call fails fast.
func askGoogle(logger *zap.Logger) {
	began := time.Now()
	client := http.Client{Timeout: stall, Transport: &http.Transport{}} // no proxy from the environment
	answer, err := client.Get("http://8.8.8.8/")
	if err == nil {
		answer.Body.Close()
		return
	}
	logger.Info("Google DNS is not HTTP", zap.Error(err), zap.Duration("took", time.Since(began)))
	if time.Since(began) < stall-time.Second {
		fmt.Print(code("google_dns_is_not_http"))
	}
}

// until serves until SIGTERM or SIGINT, then gives what is in flight 4 s to end.
func until(server *http.Server, listener net.Listener, logger *zap.Logger) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case received := <-stop:
		logger.Info("Stopping server", zap.Stringer("signal", received))
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		server.Shutdown(ctx)
		return nil
	}
}
