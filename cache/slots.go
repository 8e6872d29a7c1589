package cache

// slots are what the policy knows of each entry: one array, in which the window
// and the main queue are two circles linked by index. Compared with a linked
// list of items, an index is half a pointer, the garbage collector has nothing
// to look at, and an entry that is set again keeps its slot. Guarded by the lock
// of the shard.
//
//	index   0        1       2       3       4      5
//	      | window | main | entry | entry | free | entry | …
//	        └─▶ 5 ─▶ 2 ─┘   newest first, round to 0
type slots struct {
	all    []slot
	free   uint32 // first of the free ones, linked by next; 0 if none
	queues [2]struct {
		count  int
		weight int64
	}
}

type slot struct {
	place      place // in the table
	prev, next uint32
	hash       uint32 // the lower half of the key's hash; the upper one has chosen the shard
	queue      queue
}

// queue is the index of a queue's head.
type queue uint8

const (
	window queue = iota
	main
	noQueue
)

func newSlots(entries int) slots {
	l := slots{all: make([]slot, 2, entries+3)} // two heads, and the entry in excess
	for q := range l.queues {
		l.all[q] = slot{prev: uint32(q), next: uint32(q), queue: noQueue}
	}
	return l
}

// reserve returns the index of a slot for an entry that comes.
func (l *slots) reserve(hash uint32) uint32 {
	i := l.free
	if i == 0 {
		i = uint32(len(l.all))
		l.all = append(l.all, slot{})
	} else {
		l.free = l.all[i].next
	}
	l.all[i] = slot{hash: hash, queue: noQueue}
	return i
}

// release takes back the slot of an entry that has left its queue.
func (l *slots) release(i uint32) {
	l.all[i] = slot{next: l.free, queue: noQueue}
	l.free = i
}

// pushFront puts an entry to the front of a queue.
func (l *slots) pushFront(q queue, i uint32, weight int64) {
	l.link(q, i)
	l.queues[q].count++
	l.queues[q].weight += weight
}

// leave takes an entry out of its queue.
func (l *slots) leave(i uint32, weight int64) {
	q := l.unlink(i)
	l.queues[q].count--
	l.queues[q].weight -= weight
}

// rewind puts an entry to the front of its own queue.
func (l *slots) rewind(i uint32) { l.link(l.unlink(i), i) }

// back is the index of the oldest entry of a queue, or 0 if there is none.
func (l *slots) back(q queue) uint32 {
	if i := l.all[q].prev; i != uint32(q) {
		return i
	}
	return 0
}

func (l *slots) link(q queue, i uint32) {
	head, s := &l.all[q], &l.all[i]
	s.prev, s.next, s.queue = uint32(q), head.next, q
	l.all[head.next].prev = i
	head.next = i
}

func (l *slots) unlink(i uint32) queue {
	s := &l.all[i]
	l.all[s.prev].next, l.all[s.next].prev = s.next, s.prev
	return s.queue
}

func (l *slots) count() int { return l.queues[window].count + l.queues[main].count }

func (l *slots) weight() int64 { return l.queues[window].weight + l.queues[main].weight }

// entries yields the index of each entry.
func (l *slots) entries(yield func(uint32) bool) {
	for i := range l.all {
		if l.all[i].queue != noQueue && !yield(uint32(i)) {
			return
		}
	}
}
