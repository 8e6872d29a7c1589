package crdt

// places is a hash table of places in a list, with linear probing. It does not know what is there: who looks for something
// looks at each place that has its hash. And it forgets nothing, not even a place that has become empty, until
// it is thrown away.
type places struct {
	slots []placeSlot // a power of two, of which half are free: a search looks at 1.5 of them
	used  int
}

type placeSlot struct {
	hash  uint32 // of the element, or the dot
	place uint32 // plus 1; 0 if it is free. 2³² of them would be 192 GB
}

// placesFor returns a table for so many.
func placesFor(n int) places {
	size := 2
	for size/2 < n {
		size *= 2
	}
	return places{slots: make([]placeSlot, size)}
}

// grown returns one of twice the size.
func (t *places) grown() places {
	g := places{slots: make([]placeSlot, 2*len(t.slots))}
	for _, slot := range t.slots {
		if slot.place > 0 {
			g.put(slot.hash, int(slot.place-1))
		}
	}
	return g
}

func (t *places) full() bool { return t.used == len(t.slots)/2 }

// put fills the first slot that is free, where the hash says or behind that.
func (t *places) put(hash uint32, i int) {
	p := t.home(hash)
	for t.slots[p].place > 0 {
		p = (p + 1) & (len(t.slots) - 1)
	}
	t.slots[p] = placeSlot{hash, uint32(i + 1)}
	t.used++
}

// home is where a search for a hash begins: its upper bits say so, which are the good ones of a product.
func (t *places) home(hash uint32) int { return int(uint64(hash) * uint64(len(t.slots)) >> 32) }
