package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/serf/serf"
	"github.com/vmihailenco/msgpack/v5"

	ours "github.com/plinth-go/plinth/vclock"
)

// clockFacts says what becomes of a clock when something goes wrong. Whatever it prints has happened just before.
type clockFacts struct{}

// clockFact is a story and how it ends, for each form that can play it.
type clockFact struct {
	name string
	ends map[string]func() (string, error)
}

func (clockFacts) impls() []string {
	return []string{implPlinth, implMap, implMutex, implSerf, implJSON, implMsgpack}
}

func (clockFacts) facts() []clockFact {
	type ends = map[string]func() (string, error)
	return []clockFact{
		{"a Lamport clock at 5 witnesses 2⁶⁴-1", ends{implPlinth: witnessOurs, implMutex: witnessMutex, implSerf: witnessSerf}},
		{"a message comes from a year ahead", ends{implPlinth: driftOurs, implMutex: driftMutex}},
		{"a copy of a vector ticks", ends{implPlinth: copyOurs, implMap: copyMap}},
		{"one of two equal vectors has a 0", zeroEnds()},
		{"a vector is written 64 times", codeEnds(writeOften)},
		{"bytes say a:1 and then a:2", twiceEnds()},
		{"bytes come after the end", codeEnds(readMore)},
	}
}

func (cf clockFacts) names() (names []string) {
	for _, fact := range cf.facts() {
		names = append(names, "VclockFacts/"+fact.name)
	}
	return names
}

func (cf clockFacts) run(ctx context.Context, s *session, chosen []int) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "what happens when\t%s\t\n", strings.Join(cf.impls(), "\t"))
	for _, fact := range pick(cf.facts(), chosen) {
		if err := interrupted(ctx); err != nil {
			return err
		}
		fmt.Fprintf(w, "VclockFacts/%s\t", fact.name)
		for _, impl := range cf.impls() {
			end, err := fact.end(impl)
			if err != nil {
				return fmt.Errorf("peers: %s by %s: %w", fact.name, impl, err)
			}
			fmt.Fprintf(w, "%s\t", end)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func (f clockFact) end(impl string) (string, error) {
	if f.ends[impl] == nil {
		return "-", nil
	}
	return f.ends[impl]()
}

func witnessOurs() (string, error) {
	var l ours.Lamport
	for range 5 {
		if _, err := l.Tick(); err != nil {
			return "", err
		}
	}
	return refusedOr(l.Witness(math.MaxUint64), fmt.Sprintf("it is at %d", l.Now())), nil
}

func witnessMutex() (string, error) {
	l := mutexLamport{time: 5}
	l.witness(math.MaxUint64)
	return fmt.Sprintf("it is at %d", l.now()), nil
}

func witnessSerf() (string, error) {
	var l serf.LamportClock
	for range 5 {
		l.Increment()
	}
	l.Witness(math.MaxUint64)
	return fmt.Sprintf("it is at %d", l.Time()), nil
}

const clockYear = 365 * 24 * time.Hour

func driftOurs() (string, error) {
	h, err := ours.NewHLC(ours.HLCConfig{})
	if err != nil {
		return "", err
	}
	_, err = h.Update(ours.Timestamp{Wall: time.Now().Add(clockYear).UnixNano()})
	return refusedOr(err, "a year ahead"), nil
}

func driftMutex() (string, error) {
	var h mutexHLC
	h.update(ours.Timestamp{Wall: time.Now().Add(clockYear).UnixNano()})
	if h.now().Time().After(time.Now().Add(clockYear / 2)) {
		return "a year ahead", nil
	}
	return "it is right", nil
}

func refusedOr(err error, otherwise string) string {
	if err != nil {
		return "refused"
	}
	return otherwise
}

func copyOurs() (string, error) {
	v, err := clockCounts{"a": 1}.ours()
	if err != nil {
		return "", err
	}
	w := v
	_, err = w.Tick("a")
	return fmt.Sprintf("it has %d", v.Get("a")), err
}

func copyMap() (string, error) {
	v := clockCounts{"a": 1}
	w := v
	w["a"]++
	return fmt.Sprintf("it has %d", v["a"]), nil
}

// zeroEnds asks whether {a:1 b:0} and {a:1} have the same bytes.
func zeroEnds() map[string]func() (string, error) {
	return codeEnds(func(impl string) (string, error) {
		with, err := encodeClock(impl, clockCounts{"a": 1, "b": 0})
		if err != nil {
			return "", err
		}
		without, err := encodeClock(impl, clockCounts{"a": 1})
		return sameBytes(bytes.Equal(with, without)), err
	})
}

func sameBytes(same bool) string {
	if same {
		return "same bytes"
	}
	return "other bytes"
}

// codeEnds is one story for all forms in bytes.
func codeEnds(end func(impl string) (string, error)) map[string]func() (string, error) {
	ends := map[string]func() (string, error){}
	for _, impl := range codeImpls() {
		ends[impl] = func() (string, error) { return end(impl) }
	}
	return ends
}

// writeOften has 16 names, so that a map's random order shows.
func writeOften(impl string) (string, error) {
	v := clockVector(namesHosts, 16)
	first, err := encodeClock(impl, v)
	same := true
	for range 63 {
		b, err := encodeClock(impl, v)
		if err != nil {
			return "", err
		}
		same = same && bytes.Equal(first, b)
	}
	return sameBytes(same), err
}

// readMore reads what is right but for a byte at its end, which is a beginning in no form.
func readMore(impl string) (string, error) {
	b, err := encodeClock(impl, clockCounts{"a": 1})
	if err != nil {
		return "", err
	}
	return readClock(impl, append(b, 0xc1)), nil
}

// twiceEnds writes the name twice by hand: the last byte of each is its number.
func twiceEnds() map[string]func() (string, error) {
	forms := map[string]string{
		implPlinth:  "\x08\x02\x01a\x01\x01a\x02",
		implJSON:    `{"a":1,"a":2}`,
		implMsgpack: "\x82\xa1a\x01\xa1a\x02",
	}
	return codeEnds(func(impl string) (string, error) { return readClock(impl, []byte(forms[impl])), nil })
}

// readClock says how many events of a there are, unless the bytes are refused.
func readClock(impl string, b []byte) string {
	var v map[string]uint64
	switch impl {
	case implJSON:
		err := json.Unmarshal(b, &v)
		return refusedOr(err, fmt.Sprintf("a:%d", v["a"]))
	case implMsgpack:
		err := msgpack.Unmarshal(b, &v)
		return refusedOr(err, fmt.Sprintf("a:%d", v["a"]))
	}
	var w ours.Vector
	err := w.UnmarshalBinary(b)
	return refusedOr(err, fmt.Sprintf("a:%d", w.Get("a")))
}
