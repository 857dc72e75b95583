package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	leakCap   = 2048 // MiB; the lab's file cannot raise it
	spareKB   = 1e6  // a leak stops when the machine has less
	allDeaths = "exit,panic,leak,500"
)

// faults are the faults of the process, at the end of its lifetime or after a poisoned operation.
type faults struct {
	lab     *lab
	started time.Time
	ill     int32 // 1: every URL answers 500 until restarted
	leaking int32
	leaked  [][]byte
}

func (f *faults) isIll() bool { return atomic.LoadInt32(&f.ill) == 1 }

// poison reads bits 32 to 35 of the operation: 3 leaks, 4 panics, 5 makes the process ill. All
// other values are harmless.
func (f *faults) poison(operation int64) {
	switch (operation & 0xF00000000) >> 32 {
	case 3:
		f.leak()
	case 4:
		f.panic()
	case 5:
		f.becomeIll()
	}
}

func (f *faults) becomeIll() { atomic.StoreInt32(&f.ill, 1) }

// panic never returns. The panic happens outside the handlers, because net/http would catch it
// there.
func (f *faults) panic() {
	go func() { panic("we're all gonna die") }()
	select {}
}

func (f *faults) leak() {
	if !atomic.CompareAndSwapInt32(&f.leaking, 0, 1) {
		return
	}
	go func() {
		for leaked := 0.0; leaked < f.leakLimit() && availableKB() > spareKB; {
			step := f.lab.number("leak_mb_per_s", 20) / 10
			block := make([]byte, int(step*1e6)+1)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1 // a page counts only after it was written to
			}
			f.leaked = append(f.leaked, block)
			leaked += step
			time.Sleep(100 * time.Millisecond)
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
}

func (f *faults) leakLimit() float64 {
	if limit := f.lab.number("leak_max_mb", leakCap); limit < leakCap {
		return limit
	}
	return leakCap
}

func availableKB() float64 {
	data, _ := os.ReadFile("/proc/meminfo")
	var kB float64 = spareKB * 2 // if it cannot be read, only leakCap ends the leak
	if at := bytes.Index(data, []byte("MemAvailable:")); at >= 0 {
		fmt.Sscanf(string(data[at:]), "MemAvailable: %f", &kB)
	}
	return kB
}

// dieAtEndOfLife ends the process after a lifetime that depends only on the second of its start.
func (f *faults) dieAtEndOfLife() {
	begin := f.started.Truncate(time.Second)
	draw := rand.New(rand.NewSource(begin.Unix()))
	share, kind, code := draw.Float64(), draw.Int(), draw.Intn(2)
	deaths := f.lab.get("deaths", "real")
	for {
		if deaths != "off" && time.Since(begin) >= lifetime(deaths, share) {
			kinds := strings.Split(f.lab.get("death_kinds", allDeaths), ",")
			f.die(strings.TrimSpace(kinds[kind%len(kinds)]), code)
			return
		}
		time.Sleep(100 * time.Millisecond)
		if now := f.lab.get("deaths", "real"); now != deaths { // the lab changed it meanwhile
			deaths, begin = now, time.Now().Truncate(time.Second)
		}
	}
}

// lifetime is 10 to 25 minutes, or 0.5 to 1.5 times the mean that the lab sets.
func lifetime(deaths string, share float64) time.Duration {
	seconds := 600 + share*900
	if mean, err := strconv.ParseFloat(deaths, 64); err == nil {
		seconds = mean * (0.5 + share)
	}
	return time.Duration(seconds * float64(time.Second))
}

func (f *faults) die(kind string, code int) {
	switch kind {
	case "exit":
		os.Exit(code)
	case "panic":
		f.panic()
	case "leak":
		f.leak()
	default:
		f.becomeIll()
	}
}
