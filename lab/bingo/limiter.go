package main

import "time"

const (
	refill   = 50 * time.Millisecond
	handful  = 5           // tokens for each refill: 100 requests a second
	patience = time.Second // how long a request waits for its token
)

// limiter lets 100 requests a second through. The surplus waits in the order of its coming.
type limiter chan struct{}

// newLimiter calls tick after each refill.
func newLimiter(tick func()) limiter {
	l := make(limiter, handful)
	go func() {
		for range time.Tick(refill) {
			l.fill()
			tick()
		}
	}()
	return l
}

func (l limiter) fill() {
	for i := 0; i < handful; i++ {
		select {
		case l <- struct{}{}:
		default:
			return
		}
	}
}

// take waits for a token; false when none came in time.
func (l limiter) take() bool {
	select {
	case <-l:
		return true
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l:
		return true
	case <-timer.C:
		return false
	}
}
