package kill

import "fmt"

// The words of a child that tells of transactions. Each writer numbers its own, from 1
// on over all lives; A is the writer, and B the number.
const (
	Opens        = "o" // about to open the store
	Begins       = "b" // about to begin the transaction
	Acknowledged = "a" // the store has taken it
	Saw          = "s" // a reader saw what it must
)

// Claims is what children have told of their transactions. Not safe for concurrent use.
type Claims struct {
	Begun, Acknowledged []int // the last one of each writer
	Seen                int   // by readers
}

// NewClaims returns those of children that have told nothing yet.
func NewClaims(writers int) *Claims {
	return &Claims{Begun: make([]int, writers), Acknowledged: make([]int, writers)}
}

// Hear learns what a child says, for a Loop. What readers saw does not count among the
// lines: they are fast.
func (c *Claims) Hear(l Line) (counts bool, err error) {
	if l.A >= uint64(len(c.Begun)) {
		return false, fmt.Errorf("kill: writer %d of %d says something", l.A, len(c.Begun))
	}
	writer, n := l.A, int(l.B)
	switch l.What {
	case Begins:
		if n <= c.Acknowledged[writer] || n > c.Begun[writer]+1 {
			return false, fmt.Errorf("kill: writer %d begins %d, and %d was acknowledged, %d begun", writer, n, c.Acknowledged[writer], c.Begun[writer])
		}
		c.Begun[writer] = n
	case Acknowledged:
		c.Acknowledged[writer] = n
	case Saw:
		c.Seen++
		return false, nil
	}
	return true, nil
}

// Check compares with the last transaction of each writer that was found. What has been
// found stays: it is acknowledged from here on.
func (c *Claims) Check(found []int) error {
	for writer, n := range found {
		if n < c.Acknowledged[writer] {
			return fmt.Errorf("kill: writer %d: %d was acknowledged, and %d is the last there", writer, c.Acknowledged[writer], n)
		}
		if n > c.Begun[writer] {
			return fmt.Errorf("kill: writer %d: %d is there, and %d was the last to begin", writer, n, c.Begun[writer])
		}
	}
	copy(c.Acknowledged, found)
	return nil
}
