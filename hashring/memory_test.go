package hashring

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// footprint returns how many bytes a value has in its slices, without those in nodes.
func footprint(v reflect.Value) uintptr {
	sum := uintptr(0)
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct:
			sum += footprint(f)
		case f.Kind() == reflect.Slice && f.Type() != reflect.TypeFor[[]Node]():
			sum += uintptr(f.Cap()) * f.Type().Elem().Size()
		}
	}
	return sum
}

// TestMemory: each takes as many bytes a node as it says, besides the node. Numbers of nodes
// are such that what the allocator rounds up is nothing.
func TestMemory(t *testing.T) {
	const n = 1 << 14
	nodes, together := named(n), named(n)
	for i := range together {
		together[i].Zone = "one"
	}
	full := anchor(t, n, nodes...)
	without, err := full.Without("node-7")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		of          Locator
		least, most float64
	}{
		"modulo":                   {modulo(t, nodes...), 0, 0},
		"shards":                   {shards(t, nodes...), 8, 8},
		"rendezvous":               {rendezvous(t, nodes...), 12, 12},
		"rendezvous, one zone":     {rendezvous(t, together...), 16, 22},
		"weighted":                 {weighted(t, nodes...), 28, 28},
		"weighted, one zone":       {weighted(t, together...), 32, 38},
		"skeleton, clusters of 8":  {skeleton(t, 2, nodes...), 38.9, 39},
		"skeleton, clusters of 32": {skeleton(t, 0, nodes...), 33, 33.2},
		"maglev, of 2n entries":    {maglev(t, 32_771, nodes...), 8, 8.3}, // 2 a node, of two for each
		"multiprobe, of 2ⁱ":        {multiprobe(t, 0, nodes...), 16 + 16, 16 + 16.5},
		"multiprobe, of 2ⁱ + 1":    {multiprobe(t, 0, named(n+n/8)...), 16 + 28, 16 + 32},
		"anchor, full":             {full, 28, 28},
		"anchor, half full":        {anchor(t, 2*n, nodes...), 2 * 26, 2 * 26},
		"anchor, all but one":      {without, 24, 26},
	} {
		bytes := float64(footprint(reflect.ValueOf(c.of).Elem())) / float64(c.of.Len())
		require.GreaterOrEqual(t, bytes, c.least-0.01, name)
		require.LessOrEqual(t, bytes, c.most+0.01, name)
	}
}
