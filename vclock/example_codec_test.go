package vclock_test

import (
	"fmt"

	"github.com/plinth-go/plinth/vclock"
)

func ExampleCodec() {
	var s vclock.DVVSet[string]
	_ = s.Put(vclock.Vector{}, "a", "tea")
	b, _ := s.Encode(nil, vclock.StringCodec{})
	fmt.Printf("% x\n", b)

	var codec vclock.Codec[string] = vclock.StringCodec{}
	var read vclock.DVVSet[string]
	fmt.Println(read.Decode(b, codec), read)
	fmt.Println(read.Decode(b[:len(b)-1], codec))
	// Output:
	// 18 01 01 61 01 01 00 00 03 74 65 61
	// <nil> {"a":1} [a:1=tea]
	// vclock: corrupt DVVSet: byte 8: a value: 3 bytes, but 2 are left
}

func ExampleStringCodec() {
	b, _ := vclock.StringCodec{}.Append(nil, "tea")
	v, rest, err := vclock.StringCodec{}.Parse(append(b, "more"...))
	fmt.Printf("%q %q %v\n", v, rest, err)
	// Output: "tea" "more" <nil>
}

func ExampleBytesCodec() {
	b, _ := vclock.BytesCodec{}.Append(nil, []byte{7, 8})
	fmt.Println(b)
	// Output: [2 7 8]
}

func ExampleUint64Codec() {
	b, _ := vclock.Uint64Codec{}.Append(nil, 300)
	fmt.Printf("% x\n", b)
	// Output: ac 02
}
