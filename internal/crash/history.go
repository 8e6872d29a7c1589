package crash

// Call is one call of a history, on something that holds an S. It is a plain value:
// safe for concurrent use.
type Call[S any] struct {
	Name       string // for messages; may be empty
	Start, End int    // operations of the disk before and after it
	After      S      // what there is when it has returned
	Durable    bool   // once it has returned, it survives, and all before it
}

// Legal returns what there may be after a power cut at a point: what the calls have left
// from the last durable one on to the last that had begun. The first call stands for
// the beginning.
func Legal[S any](calls []Call[S], point int) []S {
	durable, issued := 0, 0
	for i, c := range calls {
		if c.End <= point && c.Durable {
			durable = i
		}
		if c.Start < point {
			issued = i
		}
	}
	var after []S
	for _, c := range calls[durable : max(issued, durable)+1] {
		after = append(after, c.After)
	}
	return after
}

// Recovery is what was done on a disk that a power cut had left, and that was recorded
// from there on: it was opened, which found one of the legal contents, and took a
// change. It is a plain value: safe for concurrent use.
type Recovery[S any] struct {
	Before []S // what it might hold when it was opened
	Opened int // operations when it had been
	Found  S   // what it held then
	Kept   int // operations from which on the change was durable
	After  S   // what it held with the change
}

// Legal returns what there may be after a second power cut at a point.
func (r Recovery[S]) Legal(point int) []S {
	switch {
	case point >= r.Kept:
		return []S{r.After}
	case point > r.Opened:
		return []S{r.Found, r.After}
	case point == r.Opened:
		return []S{r.Found}
	}
	return r.Before
}
