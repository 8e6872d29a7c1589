package vclock

// numbers are one, of at least 1, for each of some names, in their order: plain, one in a word; or packed, two in a word,
// the first in the lower half. Their length says which, beside how many names there are, and so at and put ask for that.
//
//	names    a    b    c    d    e
//	plain    1    2    3    4    5
//	packed   2·1  4·3  ··5
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
	tops      = 1<<63 | 1<<(halfBits-1) // the bit to spare of each half
	twiceTops = 1 << halfBits           // of which a word has no room for the upper one
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

// set writes one, of so many, that fits.
func (w numbers) set(i, of int, n uint64) {
	if len(w) == of {
		w[i] = n
	} else {
		w[i/2] = w[i/2]&^(maxHalf<<lane(i)) | n<<lane(i)
	}
}

func (w numbers) fits(of int, n uint64) bool { return len(w) == of || n <= maxHalf }

// put is set of one that need not fit. Like append, it returns the same numbers or others.
func (w numbers) put(i, of int, n uint64) numbers {
	if !w.fits(of, n) {
		w = w.plain(of)
	}
	w.set(i, of, n)
	return w
}

// plain returns a copy that has a word for each of so many.
func (w numbers) plain(of int) numbers {
	p := make(numbers, of) // no Clone: the compiler would think that this may be w, which may stand in a Vector
	for i := range p {
		p[i] = w.at(i, of)
	}
	return p
}

// packed returns a copy of plain numbers, packed if that is how a Vector has them.
func (w numbers) packed() numbers {
	p := make(numbers, wordsOf(len(w)))
	for i, n := range w {
		p = p.put(i, len(w), n)
	}
	return p
}

// differ reports whether one number is larger than that of theirs, and the other way round. Both have the same names, and
// are plain, or packed.
func (w numbers) differ(theirs numbers, of int) (more, less bool) {
	if len(w) == of {
		return plainDiffer(w, theirs)
	}
	return packedDiffer(w, theirs)
}

// plainDiffer is differ of plain numbers. No number is above MaxCount, so the top bit of a difference says which is larger.
// To collect these bits takes 0.6 times as long as comparisons do (BenchmarkCompare, names=shared-large, n=256).
func plainDiffer(mine, theirs numbers) (more, less bool) {
	theirs = theirs[:len(mine)]
	ahead, behind := uint64(0), uint64(0)
	for i, n := range mine {
		ahead |= theirs[i] - n
		behind |= n - theirs[i]
	}
	return ahead>>63 == 1, behind>>63 == 1
}

// packedDiffer is differ of packed numbers, two at a time. Each half of theirs is lent its top bit before mine is taken away,
// so that it need not borrow from its neighbour. If the bit is still there, theirs was not less. The difference the other
// way round follows from that one: together they are the two bits that would have been lent.
//
//	theirs       0·007   0·004     lent   1·007   1·004
//	mine         0·005   0·006
//	difference                            1·002   0·ffe      not less, less
func packedDiffer(mine, theirs numbers) (more, less bool) {
	theirs = theirs[:len(mine)]
	notLess, notMore := uint64(tops), uint64(tops) // nothing else is left of what is lent
	for i, n := range mine {
		d := (theirs[i] | tops) - n
		notLess &= d
		notMore &= twiceTops - d
	}
	return notLess != tops, notMore != tops
}

// larger returns the larger number of each half: a bit that was lent, and that is still there, makes a mask of all below it.
func larger(mine, theirs uint64) uint64 {
	notLess := ((theirs | tops) - mine) & tops
	return mine ^ (mine^theirs)&(notLess-notLess>>(halfBits-1))
}

// largest has the larger one of each two: numbers as differ has them.
func (w numbers) largest(theirs numbers, of int) numbers {
	theirs = theirs[:len(w)]
	counts := make(numbers, len(w)) // a Clone, changed in place, takes 1.2 times as long for 16 (BenchmarkMerge)
	if len(w) == of {
		for i, n := range w {
			counts[i] = max(n, theirs[i])
		}
		return counts
	}
	for i, n := range w {
		counts[i] = larger(n, theirs[i])
	}
	return counts
}
