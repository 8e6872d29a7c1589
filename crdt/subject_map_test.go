package crdt

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/vclock"
)

// ofMap is a map of what another subject is about: what is done to a value is done under a key, and to drop a key undoes
// all under it that is seen.
func ofMap[V interface {
	state[V]
	Causal[V]
}](inner subject[V]) subject[*ORMap[string, V]] {
	under := func(k string, o op) op {
		o.in = k + "/" + o.in
		return o
	}
	return subject[*ORMap[string, V]]{
		zero: func() *ORMap[string, V] { return NewORMap[string](inner.zero) },
		some: func(r *rand.Rand, replicas []vclock.ID) op {
			k := oneOrOther(r, 2)
			switch r.IntN(30) {
			case 0:
				return op{what: "drop all"}
			case 1, 2, 3, 4:
				return op{what: "drop", on: k}
			}
			return under(k, inner.some(r, replicas))
		},
		few: []op{under("k", inner.few[0]), {what: "drop", on: "k"}, under("l", inner.few[0]), under("k", inner.few[1])},
		do: func(m *ORMap[string, V], id vclock.ID, o op) (*ORMap[string, V], error) {
			if o.in == "" && o.what == "drop" {
				return m.Remove(o.on), nil
			}
			if o.in == "" {
				return m.Clear(), nil
			}
			k, below := o.below()
			return m.Update(id, k, func(v V) (V, error) { return inner.do(v, id, below) })
		},
		show: func(m *ORMap[string, V]) string {
			var all []string
			for k, v := range m.All() {
				all = append(all, k+":"+inner.shown(v))
			}
			return "map[" + strings.Join(all, " ") + "]"
		},
		model: modelOfMap(inner.model),
	}
}

func modelOfMap(inner model) model {
	return model{
		brings: func(o op) bool {
			_, below := o.below()
			return o.in != "" && (inner.brings == nil || inner.brings(below))
		},
		undoes: func(e *event, alive []*event) events {
			keys := underKeys(alive)
			k, below := e.below()
			switch {
			case e.in != "":
				of := *e
				of.op = below
				return inner.undoes(&of, keys[k])
			case e.what == "drop":
				return setOf(keys[e.on])
			}
			return setOf(alive)
		},
		value: func(alive []*event) string {
			var all []string
			keys := underKeys(alive)
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				all = append(all, k+":"+inner.value(keys[k]))
			}
			return "map[" + strings.Join(all, " ") + "]"
		},
	}
}

// below returns the first key of an operation, and what it is under that.
func (o op) below() (k string, below op) {
	k, o.in, _ = strings.Cut(o.in, "/")
	return k, o
}

// underKeys sorts events by their first key, and leaves that out.
func underKeys(all []*event) map[string][]*event {
	keys := map[string][]*event{}
	for _, e := range all {
		k, below := e.below()
		of := *e
		of.op = below
		keys[k] = append(keys[k], &of)
	}
	return keys
}
