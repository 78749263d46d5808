// Command burn is load of known size for tests of the watch.
//
//	burn cpu CORES   uses so many cores, by the process's own CPU clock, until it is ended
//	burn memory MIB  touches so much memory after a second, and waits
//	burn echo PORT   sends back every byte of every connection
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const step = 2 * time.Millisecond

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: burn cpu CORES | burn memory MIB | burn echo PORT")
		os.Exit(2)
	}
	size, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		os.Exit(0)
	}()
	if os.Args[1] == "memory" {
		touch(int(size) << 20)
	}
	if os.Args[1] == "echo" {
		echo(int(size))
	}
	burn(size)
}

// burn spins whenever less CPU time was used than wanted, and sleeps otherwise.
func burn(cores float64) {
	began, used := time.Now(), cpu()
	for {
		wanted := time.Duration(float64(time.Since(began)) * cores)
		if cpu()-used >= wanted {
			time.Sleep(step)
		}
	}
}

// cpu is the CPU time that this process has used, to the microsecond.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func touch(size int) {
	time.Sleep(time.Second)
	held := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		held[at] = 1
	}
	fmt.Println("touched", len(held))
	select {}
}

// echo sends back what it is sent, until it is ended.
func echo(port int) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			continue
		}
		go func() {
			defer conn.Close()
			io.Copy(conn, conn)
		}()
	}
}
