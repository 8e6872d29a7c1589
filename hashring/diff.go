package hashring

import "iter"

// Move is a key that changes its node. It is a value and is safe for concurrent use.
type Move struct {
	Key      string
	From, To Node // zero if there are no nodes there
}

// Diff yields which of some keys move if one Locator takes the place of another, and from
// where to where. Nodes of the same name are the same: a new weight or zone alone moves
// nothing. The Locators may be of different algorithms; for two rings, Plan needs no keys.
func Diff(before, after Locator, keys iter.Seq[string]) iter.Seq[Move] {
	return func(yield func(Move) bool) {
		for key := range keys {
			from, to := before.Locate(key), after.Locate(key)
			if from.Name != to.Name && !yield(Move{key, from, to}) {
				return
			}
		}
	}
}
