package vclock

// numbers are one, of at least 1, for each of some names, in their order: plain, one in a word; or packed, two in a word,
// the first in the lower half. Their length says which, beside how many names there are, and so at and set ask for that.
//
//	names    a    b    c    d    e
//	plain    1    2    3    4    5
//	packed   2|1  4|3  0|5
//
// A Vector packs what is more than fewWords, if all are below 2³¹. Merge makes new numbers each time, and nearly all that
// it takes is to get memory for them, and to collect it as garbage; half of the bytes are half of that (BenchmarkMerge,
// case=union beside case=union-large). And as each half has a bit to spare, two numbers are compared at a time.
//
// They are safe for concurrent readers. Who has them says who may write to them.
type numbers []uint64

const (
	halfBits  = 32
	maxHalf   = 1<<(halfBits-1) - 1     // the most that is packed
	tops      = 1<<63 | 1<<(halfBits-1) // the spare bit of each half
	twiceTops = 1 << halfBits           // tops and tops, which is 2⁶⁴ more than a word has
)

// wordsOf returns how many words so many numbers of a Vector take, if all are below 2³¹.
func wordsOf(n int) int {
	if n > fewWords {
		return (n + 1) / 2
	}
	return n
}

// at returns a number, of so many.
func (w numbers) at(i, of int) uint64 {
	if len(w) == of {
		return w[i]
	}
	return w[uint(i)/2] >> lane(i) & maxHalf
}

// lane is where a packed number begins in its word.
func lane(i int) uint { return uint(i) % 2 * halfBits }

// set writes one, of so many. It must fit, or a packed one would spoil its neighbour.
func (w numbers) set(i, of int, n uint64) {
	if len(w) == of {
		w[i] = n
	} else {
		w[i/2] = w[i/2]&^(maxHalf<<lane(i)) | n<<lane(i)
	}
}

func (w numbers) fits(of int, n uint64) bool { return len(w) == of || n <= maxHalf }

// plain returns a copy that has a word for each of so many, and room for some more.
func (w numbers) plain(of, more int) numbers {
	p := make(numbers, of, of+more) // no Clone: the compiler would think that this may be w, which may stand in a Vector
	for i := range p {
		p[i] = w.at(i, of)
	}
	return p
}

// differ reports whether one number is larger than that of theirs, and the other way round. Both have the same names.
func (w numbers) differ(theirs numbers, of int) (more, less bool) {
	switch {
	case len(w) != len(theirs):
		for i := 0; i < of && !(more && less); i++ {
			a, b := w.at(i, of), theirs.at(i, of)
			more, less = more || a > b, less || a < b
		}
		return more, less
	case len(w) == of:
		return plainDiffer(w, theirs)
	}
	return packedDiffer(w, theirs)
}

// plainDiffer is differ of plain numbers. None is above MaxCount, so the top bit of a difference says which is larger. To collect
// these bits is faster than to compare (BenchmarkDiffer, impl=plinth beside impl=naive).
func plainDiffer(mine, theirs numbers) (more, less bool) {
	theirs = theirs[:len(mine)]
	ahead, behind := uint64(0), uint64(0)
	for i, n := range mine {
		ahead |= theirs[i] - n
		behind |= n - theirs[i]
	}
	return ahead>>63 == 1, behind>>63 == 1
}

// packedDiffer is differ of packed numbers, two at a time. The spare bit of each half of theirs is set before mine is taken
// away: that is 2³¹ more, so no half borrows from its neighbour, and the bit is still set if theirs was not less.
//
//	theirs 7, mine 5     2³¹ + 7 - 5     set: not less
//	theirs 4, mine 6     2³¹ + 4 - 6     not set: less
//
// The other way round it is 2³¹ + mine - theirs. The two add up to twice 2³¹, so that one gives the other.
func packedDiffer(mine, theirs numbers) (more, less bool) {
	theirs = theirs[:len(mine)]
	notLess, notMore := uint64(tops), uint64(tops) // which leaves no other bits
	for i, n := range mine {
		d := (theirs[i] | tops) - n
		notLess &= d
		notMore &= twiceTops - d
	}
	return notLess != tops, notMore != tops
}

// larger returns the larger number of each half: a spare bit that is still set makes a mask of those below it.
func larger(mine, theirs uint64) uint64 {
	notLess := ((theirs | tops) - mine) & tops
	return mine ^ (mine^theirs)&(notLess-notLess>>(halfBits-1))
}

// largest has the larger one of each two. Both have the same names; if one is plain, it is.
func (w numbers) largest(theirs numbers, of int) numbers {
	if len(w) < len(theirs) {
		w, theirs = theirs, w
	}
	counts := make(numbers, len(w))
	switch {
	case len(w) > len(theirs):
		for i, n := range w {
			counts[i] = max(n, theirs.at(i, of))
		}
	case len(w) == of:
		theirs = theirs[:len(w)]
		for i, n := range w {
			counts[i] = max(n, theirs[i])
		}
	default:
		theirs = theirs[:len(w)]
		for i, n := range w {
			counts[i] = larger(n, theirs[i])
		}
	}
	return counts
}
