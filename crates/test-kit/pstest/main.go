// Google's own in-memory Pub/Sub (pstest) as a program, for tests: it listens on a port, prints its address, and ends
// when its standard input does, so that it never outlives the test that started it.
//
// Not here: anything that changes how pstest behaves, but for the size of messages: its own listener takes 4 MB, the
// service 10 MB.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc"
)

// largest is what Google's clients take in one answer.
const largest = 20 << 20

func main() {
	address := flag.String("listen", "127.0.0.1:0", "address to listen on")
	streams := flag.Duration("stream-timeout", time.Duration(0), "how long a stream lasts; 0 is for ever")
	flag.Parse()
	fake := pstest.NewServer()
	fake.SetStreamTimeout(*streams)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(largest))
	pb.RegisterPublisherServer(server, &fake.GServer)
	pb.RegisterSubscriberServer(server, &fake.GServer)
	fmt.Println("listening on", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(server.Serve(listener))
}
