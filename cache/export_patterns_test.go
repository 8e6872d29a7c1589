package cache

// TagCount tells external tests how many tags are remembered.
func TagCount[K comparable, V any](l *Loading[K, V]) int { return l.labels.count() }

// Holds reports whether a key has a valid entry.
func Holds[K comparable, V any](l *Loading[K, V], key K) bool { return l.peek(key) != nil }

// Claims reports whether a Get at this moment would start a reload, and lets the
// next one decide anew.
func Claims[K comparable, V any](l *Loading[K, V], key K) bool {
	e := l.peek(key)
	claimed := l.claim(e)
	e.attempt.Store(0)
	return claimed
}

// TurnCount tells how many keys somebody wants to write.
func TurnCount[K comparable, V any](w *WriteThrough[K, V]) int { return len(w.turns.wanted) }
