package main

import "time"

const (
	refill          = 50 * time.Millisecond
	tokensPerRefill = 5           // 100 requests a second
	maxWait         = time.Second // the longest time a request waits for a token
)

// limiter lets 100 requests a second through. Further requests wait in their order.
type limiter chan struct{}

// newLimiter calls tick after each refill.
func newLimiter(tick func()) limiter {
	l := make(limiter, tokensPerRefill)
	go func() {
		for range time.Tick(refill) {
			l.fill()
			tick()
		}
	}()
	return l
}

func (l limiter) fill() {
	for i := 0; i < tokensPerRefill; i++ {
		select {
		case l <- struct{}{}:
		default:
			return
		}
	}
}

// take waits for a token; it returns false if there is none within maxWait.
func (l limiter) take() bool {
	select {
	case <-l:
		return true
	default:
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-l:
		return true
	case <-timer.C:
		return false
	}
}
