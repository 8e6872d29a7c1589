package main

import "time"

// agenda is what a simulation has yet to do, in the order of time: a clock that jumps from one
// thing to the next, so that a minute takes as long as what happens in it. Of two things at the same
// moment, the one that was written down first comes first. So a run is the same each time, and on
// every machine. It is not safe for concurrent use: a simulation is one goroutine.
//
//	      1
//	    /   \        a heap: none is later than the two below it,
//	  4       2      which are at places 2i+1 and 2i+2
//	 / \     /
//	9   5   7
type agenda struct {
	now   time.Duration // since the beginning
	count uint64        // of all that was ever written down
	heap  []appointment
}

// appointment is one thing to do.
type appointment struct {
	at     time.Duration
	number uint64
	do     func()
}

func (e appointment) before(f appointment) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	return e.number < f.number
}

// after writes down what is to be done when so much time has passed.
func (a *agenda) after(d time.Duration, do func()) {
	a.count++
	e, i := appointment{a.now + d, a.count, do}, len(a.heap)
	a.heap = append(a.heap, e)
	for i > 0 && e.before(a.heap[(i-1)/2]) {
		a.heap[i] = a.heap[(i-1)/2]
		i = (i - 1) / 2
	}
	a.heap[i] = e
}

// play does everything, until nothing is left to do.
func (a *agenda) play() {
	for len(a.heap) > 0 {
		first := a.pop()
		a.now = first.at
		first.do()
	}
}

// pop takes the first entry out: the last one of the heap takes its place, and sinks.
func (a *agenda) pop() appointment {
	first, n := a.heap[0], len(a.heap)-1
	e := a.heap[n]
	a.heap[n] = appointment{}
	a.heap = a.heap[:n]
	if n == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && a.heap[child+1].before(a.heap[child]) {
			child++
		}
		if e.before(a.heap[child]) {
			break
		}
		a.heap[i] = a.heap[child]
		i = child
	}
	a.heap[i] = e
	return first
}
