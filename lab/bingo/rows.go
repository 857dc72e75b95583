package main

import (
	"strconv"
	"time"
)

const (
	sessionCount  = 5000000
	customerCount = 500000
	movieCount    = 29019
)

// tableSeed describes the rows of one table. Each line is a pure function of its id.
type tableSeed struct {
	table   string
	columns []string
	count   int
	line    func(to []byte, id int) []byte
}

func tableSeeds(scale float64) []*tableSeed {
	movies, customers := scaled(movieCount, scale), scaled(customerCount, scale)
	return []*tableSeed{
		{"movies", []string{"id", "name", "year", "duration"}, movies, movieLine},
		{"customers", []string{"id", "name", "surname", "birthday", "email"}, customers, customerLine},
		{"sessions", []string{"id", "start_time", "customer_id", "movie_id"},
			scaled(sessionCount, scale),
			func(to []byte, id int) []byte { return sessionLine(to, id, customers, movies) }},
	}
}

// rng is a pseudo-random number generator (splitmix64); its seed is the row's table and id.
type rng uint64

func newRNG(kind, id int) rng { return rng(uint64(kind)<<40 + uint64(id)) }

// below returns a number from 0 to limit-1.
func (r *rng) below(limit int) int {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) >> 1 % uint64(limit))
}

func (r *rng) pick(words []string) string { return words[r.below(len(words))] }

func movieLine(to []byte, id int) []byte {
	r := newRNG(1, id)
	to = append(strconv.AppendInt(to, int64(id), 10), "\tThe "...)
	to = append(append(append(to, r.pick(qualities)...), ' '), r.pick(things)...)
	to = append(append(to, " of "...), r.pick(surnames)...)
	to = strconv.AppendInt(append(to, '\t'), int64(1900+r.below(124)), 10)
	return strconv.AppendInt(append(to, '\t'), int64(40+r.below(140))*int64(time.Minute), 10)
}

var firstBirthday = time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC)

func customerLine(to []byte, id int) []byte {
	r := newRNG(2, id)
	name, surname := r.pick(names), r.pick(surnames)
	to = append(strconv.AppendInt(to, int64(id), 10), '\t')
	to = append(append(append(append(to, name...), '\t'), surname...), '\t')
	to = firstBirthday.AddDate(0, 0, r.below(25000)).AppendFormat(to, "2006-01-02")
	to = append(append(append(append(to, '\t'), name...), '.'), surname...)
	return append(strconv.AppendInt(append(to, '.'), int64(id), 10), "@example.com"...)
}

var firstShow = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

func sessionLine(to []byte, id, customers, movies int) []byte {
	r := newRNG(3, id)
	to = append(strconv.AppendInt(to, int64(id), 10), '\t')
	start := time.Unix(firstShow+int64(r.below(24*365*24*3600)), 0).UTC()
	to = start.AppendFormat(to, "2006-01-02 15:04:05")
	to = strconv.AppendInt(append(to, '\t'), int64(1+r.below(customers)), 10)
	return strconv.AppendInt(append(to, '\t'), int64(1+r.below(movies)), 10)
}

var (
	qualities = []string{
		"Blue", "Brave", "Broken", "Distant", "Endless", "Frozen", "Golden", "Hidden", "Last",
		"Lonely", "Lost", "Quiet", "Restless", "Second", "Secret", "Silent", "Sleeping",
		"Strange", "Wandering", "Young",
	}
	things = []string{
		"Bridge", "Captain", "City", "Dream", "Garden", "Guest", "House", "Island", "Journey",
		"Letter", "Mirror", "Night", "Orchard", "Promise", "River", "Road", "Season", "Song",
		"Storm", "Winter",
	}
	names = []string{
		"Ada", "Alan", "Barbara", "Charles", "Dennis", "Donald", "Edsger", "Frances", "Grace",
		"Hedy", "Ivan", "John", "Karen", "Ken", "Leslie", "Margaret", "Niklaus", "Radia",
		"Sophie", "Tony",
	}
	surnames = []string{
		"Adler", "Bell", "Carter", "Dorn", "Ellis", "Falk", "Grant", "Hale", "Ivers", "Jansen",
		"Keller", "Lund", "Marsh", "Novak", "Olsen", "Price", "Quinn", "Reed", "Stone", "Turner",
		"Ulrich", "Vance", "Weber", "Young", "Zeller",
	}
)
