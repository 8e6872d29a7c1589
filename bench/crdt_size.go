package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/plinth-go/plinth/vclock"
)

// What a value of each type takes in its canonical bytes, and each change of it, its delta. Some replicas take turns
// to change it, two changes each, and each has heard of everything before. First by how many changes
// there were, with few replicas; then by how many replicas, with as many changes.
//
// Sets, and the map, get new elements until they have 100; from then on the oldest goes for each that comes, and none ever
// comes back.

// Those that captions speak of.
const (
	nameGCounter, namePNCounter      = "GCounter", "PNCounter"
	nameBounded, nameCausal          = "BoundedCounter", "CausalCounter"
	nameLWWRegister, nameMVRegister  = "LWWRegister", "MVRegister"
	nameEWFlag, nameDWFlag           = "EWFlag", "DWFlag"
	nameGSet, nameTwoPSet            = "GSet", "TwoPSet"
	nameLWWSet, nameRWSet, nameORSet = "LWWSet", "RWSet", "ORSet"
	nameORMap                        = "ORMap of ORSets"
)

const (
	crdtAlive       = 100  // elements of a set at a time, from then on
	crdtFewReplicas = 3    // where the number of changes is what varies
	crdtSomeChanges = 2000 // where the number of replicas is
)

// crdtChanges are how many there were when the state is measured. All are even: each replica makes two at a time.
func crdtChanges() []int { return []int{10, 100, 1000, 10_000} }

// crdtReplicas are how many there are.
func crdtReplicas() []int { return []int{1, 3, 16, 64} }

// crdtSize is a type, and what it takes.
type crdtSize struct {
	name       string
	states     []int         // bytes for each number of crdtChanges
	deltas     deltaSizes    // of all these changes
	ofReplicas []replicaSize // for each number of crdtReplicas
}

// deltaSizes are bytes of deltas.
type deltaSizes struct{ median, most int }

// replicaSize is what a type takes after crdtSomeChanges.
type replicaSize struct {
	state  int
	deltas deltaSizes
}

func (r *crdtResults) countSizes(ctx context.Context) error {
	for _, kind := range crdtKinds() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		size, err := countSize(kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		r.sizes = append(r.sizes, size)
	}
	return nil
}

func countSize(kind crdtKind) (size crdtSize, err error) {
	size.name = kind.name
	if size.states, size.deltas, err = playKind(kind, crdtFewReplicas, crdtChanges()); err != nil {
		return size, err
	}
	for _, n := range crdtReplicas() {
		states, deltas, err := playKind(kind, n, []int{crdtSomeChanges})
		if err != nil {
			return size, err
		}
		size.ofReplicas = append(size.ofReplicas, replicaSize{states[0], deltas})
	}
	return size, nil
}

// playKind lets replicas change a value, and measures it each time there have been so many changes.
func playKind(kind crdtKind, replicas int, until []int) (states []int, deltas deltaSizes, err error) {
	play, all := kind.begin(), []int(nil)
	for _, end := range until {
		for i := len(all); i < end; i++ {
			turn := i / 2
			n, err := play.change(crdtTurn{number: i, replicas: replicas, who: turn % replicas, round: turn / replicas})
			if err != nil {
				return nil, deltas, fmt.Errorf("change %d: %w", i, err)
			}
			all = append(all, n)
		}
		state, err := play.state()
		if err != nil {
			return nil, deltas, err
		}
		states = append(states, state)
	}
	return states, sizesOf(all), nil
}

// sizesOf sorts them.
func sizesOf(all []int) deltaSizes {
	slices.Sort(all)
	return deltaSizes{all[len(all)/2], all[len(all)-1]}
}

// crdtTurn is one of the changes.
type crdtTurn struct {
	number, replicas int
	who, round       int
}

func (t crdtTurn) id() vclock.ID { return replicaName(t.who) }

// first is whether it is the first of the two that a replica makes.
func (t crdtTurn) first() bool { return t.number%2 == 0 }

// at is the time, by clocks that agree: a change each millisecond.
func (t crdtTurn) at() vclock.Timestamp {
	return vclock.Timestamp{Wall: skewEpoch().Add(time.Duration(t.number) * time.Millisecond).UnixNano()}
}

// elementName is the name of one of many. All are of the same length, up to 100,000.
func elementName(i int) string { return fmt.Sprintf("element-%05d", i) }
