package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// clockSpeed compares how often a second clocks of several forms do something. It is a value.
type clockSpeed struct {
	cells []clockCell
	impls []string
}

// clockCell is one thing to do.
type clockCell struct {
	name       string
	goroutines int
	open       func(impl string) (stampLoop, error)
}

const clockPeriod = 100 * time.Millisecond // that a measurement takes, about

func clockLengths() []int { return []int{3, 16, 256} }

// vectorSpeed compares vectors. Each op goes round pairs of all four orderings, but merge, which takes those
// in which each knows something that the other does not: there is a new vector to be made each time. In op=message,
// what is merged comes from one who has gone on by one each time, so that a map in place has news as well. In
// op=large, numbers are such as ours cannot pack.
func vectorSpeed() clockSpeed {
	s := clockSpeed{impls: []string{implPlinth, implMap, implMapCopy}}
	for _, op := range []string{"compare", "merge", "message", "large", "known", "tick"} {
		for _, n := range clockLengths() {
			for _, names := range []string{"shared", "own"} {
				open := func(impl string) (stampLoop, error) { return openVector(impl, op, n, names == "own") }
				s.cells = append(s.cells, clockCell{fmt.Sprintf("Vclock/op=%s/n=%d/names=%s", op, n, names), 1, open})
			}
		}
	}
	return s
}

func openVector(impl, op string, n int, own bool) (stampLoop, error) {
	pairs, err := clockPairs(n, firstOf(op), own)
	if err != nil {
		return nil, err
	}
	switch op {
	case "compare":
		if impl == implMapCopy {
			return nil, errNotThere // nothing is changed, so nothing is copied
		}
		return compareLoop(impl, pairs), nil
	case "merge", "large":
		return mergeLoop(impl, pairs[3:]), nil
	case "message":
		return messageLoop(impl, pairs[3], own)
	case "known":
		return mergeLoop(impl, []clockPair{pairs[0], pairs[2]}), nil
	}
	return tickLoop(impl, pairs[0], own), nil
}

// firstOf is the number of the first name.
func firstOf(op string) uint64 {
	if op == "large" {
		return 1 << 31
	}
	return 1000
}

// lamportSpeed compares Lamport clocks that goroutines share.
func lamportSpeed() clockSpeed {
	s := clockSpeed{impls: []string{implPlinth, implSerf, implMutex}}
	for _, goroutines := range []int{1, 2} {
		s.cells = append(s.cells, clockCell{"op=tick", goroutines,
			func(impl string) (stampLoop, error) { return lamportTicks(impl), nil }})
	}
	for _, goroutines := range []int{1, 2} {
		s.cells = append(s.cells, clockCell{"op=witness", goroutines,
			func(impl string) (stampLoop, error) { return lamportWitnesses(impl), nil }})
	}
	for i, c := range s.cells {
		s.cells[i].name = fmt.Sprintf("VclockLamport/%s/goroutines=%d", c.name, c.goroutines)
	}
	return s
}

// hybridSpeed compares hybrid clocks, and what reading the clock on the wall takes by itself.
func hybridSpeed() clockSpeed {
	s := clockSpeed{impls: []string{implPlinth, implClock, implMutex}}
	for _, goroutines := range []int{1, 2} {
		s.cells = append(s.cells, clockCell{fmt.Sprintf("VclockHLC/op=now/goroutines=%d", goroutines), goroutines, hybridLoop})
	}
	return s
}

// codeSpeed compares how vectors are written and read.
func codeSpeed() clockSpeed {
	s := clockSpeed{impls: codeImpls()}
	for _, names := range []string{namesHosts, namesUUIDs} {
		for _, n := range clockLengths() {
			v := clockVector(names, n)
			s.cells = append(s.cells,
				clockCell{fmt.Sprintf("VclockEncode/op=encode/names=%s/n=%d", names, n), 1,
					func(impl string) (stampLoop, error) { return encodeLoop(impl, v) }},
				clockCell{fmt.Sprintf("VclockEncode/op=decode/names=%s/n=%d", names, n), 1,
					func(impl string) (stampLoop, error) { return decodeLoop(impl, v) }})
		}
	}
	return s
}

func codeImpls() []string { return []string{implPlinth, implJSON, implMsgpack} }

func (cs clockSpeed) names() (names []string) {
	for _, c := range cs.cells {
		names = append(names, c.name)
	}
	return names
}

func (cs clockSpeed) run(ctx context.Context, s *session, chosen []int) error {
	picked, names := pick(cs.cells, chosen), pick(cs.names(), chosen)
	t := newTable("times/s", "%.0f", cs.impls, true)
	err := s.mixed(ctx, names, cs.impls, func(i int, impl string) error {
		loop, err := picked[i].open(impl)
		if errors.Is(err, errNotThere) {
			return nil
		} else if err != nil {
			return err
		}
		rate, err := clockRate(loop, picked[i].goroutines, s.scale)
		t.add(names[i], impl, rate)
		return err
	})
	if err != nil {
		return err
	}
	return t.print(s.out, names)
}

// clockRate measures a loop: first what comes out of a round, then how long a few take, then as many as fit.
func clockRate(loop stampLoop, goroutines int, scale float64) (float64, error) {
	want := loop(clockRound)
	const few = 16
	start := time.Now()
	loop(few * clockRound)
	rounds := max(int(few*clockPeriod.Seconds()*scale/time.Since(start).Seconds()), few)
	runtime.GC()
	return timed(goroutines, rounds*clockRound*goroutines, func(_, from, to int) error {
		if sum := loop(to - from); sum != want*rounds {
			return fmt.Errorf("%d rounds made %d instead of %d", rounds, sum, want*rounds)
		}
		return nil
	})
}

// clockSizes counts the bytes of a vector in several forms, which is the same in each run.
type clockSizes struct{}

func (clockSizes) kinds() []string { return []string{namesHosts, namesPods, namesUUIDs} }

func (cs clockSizes) names() (names []string) {
	for _, kind := range cs.kinds() {
		for _, n := range clockLengths() {
			names = append(names, fmt.Sprintf("VclockSize/names=%s/n=%d", kind, n))
		}
	}
	return names
}

func (cs clockSizes) run(ctx context.Context, s *session, chosen []int) error {
	t := newTable("bytes", "%.0f", codeImpls(), false)
	for _, i := range chosen {
		if err := interrupted(ctx); err != nil {
			return err
		}
		kind, n := cs.kinds()[i/len(clockLengths())], clockLengths()[i%len(clockLengths())]
		for _, impl := range codeImpls() {
			b, err := encodeClock(impl, clockVector(kind, n))
			if err != nil {
				return fmt.Errorf("peers: %s by %s: %w", cs.names()[i], impl, err)
			}
			t.add(cs.names()[i], impl, float64(len(b)))
		}
	}
	return t.print(s.out, pick(cs.names(), chosen))
}
