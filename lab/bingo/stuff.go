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

// stuff is what a table is filled with. Each line is a pure function of its id.
type stuff struct {
	table   string
	columns []string
	count   int
	line    func(to []byte, id int) []byte
}

func allStuff(scale float64) []*stuff {
	movies, customers := scaled(movieCount, scale), scaled(customerCount, scale)
	return []*stuff{
		{"movies", []string{"id", "name", "year", "duration"}, movies, movieLine},
		{"customers", []string{"id", "name", "surname", "birthday", "email"}, customers, customerLine},
		{"sessions", []string{"id", "start_time", "customer_id", "movie_id"}, scaled(sessionCount, scale),
			func(to []byte, id int) []byte { return sessionLine(to, id, customers, movies) }},
	}
}

// dice are pseudo-random numbers (splitmix64) that begin with a row's own.
type dice uint64

func newDice(kind, id int) dice { return dice(uint64(kind)<<40 + uint64(id)) }

// throw gives a number below sides.
func (d *dice) throw(sides int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) >> 1 % uint64(sides))
}

func (d *dice) pick(words []string) string { return words[d.throw(len(words))] }

func movieLine(to []byte, id int) []byte {
	d := newDice(1, id)
	to = append(strconv.AppendInt(to, int64(id), 10), "\tThe "...)
	to = append(append(append(to, d.pick(qualities)...), ' '), d.pick(things)...)
	to = append(append(to, " of "...), d.pick(surnames)...)
	to = strconv.AppendInt(append(to, '\t'), int64(1900+d.throw(124)), 10)
	return strconv.AppendInt(append(to, '\t'), int64(40+d.throw(140))*int64(time.Minute), 10)
}

var birthdays = time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC)

func customerLine(to []byte, id int) []byte {
	d := newDice(2, id)
	name, surname := d.pick(names), d.pick(surnames)
	to = append(strconv.AppendInt(to, int64(id), 10), '\t')
	to = append(append(append(append(to, name...), '\t'), surname...), '\t')
	to = birthdays.AddDate(0, 0, d.throw(25000)).AppendFormat(to, "2006-01-02")
	to = append(append(append(append(to, '\t'), name...), '.'), surname...)
	return append(strconv.AppendInt(append(to, '.'), int64(id), 10), "@example.com"...)
}

var premiere = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

func sessionLine(to []byte, id, customers, movies int) []byte {
	d := newDice(3, id)
	to = append(strconv.AppendInt(to, int64(id), 10), '\t')
	to = time.Unix(premiere+int64(d.throw(24*365*24*3600)), 0).UTC().AppendFormat(to, "2006-01-02 15:04:05")
	to = strconv.AppendInt(append(to, '\t'), int64(1+d.throw(customers)), 10)
	return strconv.AppendInt(append(to, '\t'), int64(1+d.throw(movies)), 10)
}

var (
	qualities = []string{"Blue", "Brave", "Broken", "Distant", "Endless", "Frozen", "Golden", "Hidden", "Last", "Lonely", "Lost",
		"Quiet", "Restless", "Second", "Secret", "Silent", "Sleeping", "Strange", "Wandering", "Young"}
	things = []string{"Bridge", "Captain", "City", "Dream", "Garden", "Guest", "House", "Island", "Journey", "Letter", "Mirror",
		"Night", "Orchard", "Promise", "River", "Road", "Season", "Song", "Storm", "Winter"}
	names = []string{"Ada", "Alan", "Barbara", "Charles", "Dennis", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "John",
		"Karen", "Ken", "Leslie", "Margaret", "Niklaus", "Radia", "Sophie", "Tony"}
	surnames = []string{"Adler", "Bell", "Carter", "Dorn", "Ellis", "Falk", "Grant", "Hale", "Ivers", "Jansen", "Keller", "Lund",
		"Marsh", "Novak", "Olsen", "Price", "Quinn", "Reed", "Stone", "Turner", "Ulrich", "Vance", "Weber", "Young", "Zeller"}
)
