package hashring

import "testing"

// BenchmarkBuildMaglev is about what costs more than the table of BenchmarkBuild: ten times as
// many entries, and one node that weighs much more than the others.
func BenchmarkBuildMaglev(b *testing.B) {
	uneven := named(10_000)
	uneven[0].Weight = maxWeight
	for _, c := range []struct {
		name  string
		size  int
		nodes []Node
	}{
		{"case=large/n=100", 655_373, named(100)},
		{"case=large/n=10000", 655_373, named(10_000)},
		{"case=uneven/n=10000", 65_537, uneven},
	} {
		b.Run("impl=maglev/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				maglev(b, c.size, c.nodes...)
			}
		})
	}
}
