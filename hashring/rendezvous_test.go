package hashring

import "testing"

func TestRendezvous(t *testing.T) {
	laws{
		make:   func(nodes ...Node) (Locator, error) { return NewRendezvous(nodes...) },
		golden: 0x56e24b12ac5389ef,
	}.check(t)
}
