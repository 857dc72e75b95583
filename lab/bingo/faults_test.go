package main

import (
	"testing"
	"time"
)

func TestRealLifetimeIsTenToTwentyFiveMinutes(t *testing.T) {
	short, long := lifetime("real", 0), lifetime("real", 1)
	if short != 10*time.Minute || long != 25*time.Minute {
		t.Errorf("%v to %v", short, long)
	}
}

func TestLifetimeIsAroundTheMean(t *testing.T) {
	short, long := lifetime("40", 0), lifetime("40", 1)
	if short != 20*time.Second || long != time.Minute {
		t.Errorf("%v to %v", short, long)
	}
}

func TestFullScaleHasTheRowCountsOfTheOriginal(t *testing.T) {
	counts := map[string]int{}
	for _, s := range tableSeeds(1) {
		counts[s.table] = s.count
	}
	if counts["sessions"] != 5000000 || counts["customers"] != 500000 || counts["movies"] != 29019 {
		t.Error(counts)
	}
}

func TestEveryRowOfASmallScaleHasItsCustomerAndFilm(t *testing.T) {
	for _, s := range tableSeeds(0) {
		if s.count != 1 {
			t.Error(s.table, s.count)
		}
	}
}
