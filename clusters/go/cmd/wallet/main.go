// Command wallet serves the wallet from a data directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"twinload/wallet"
	"twinload/wallet/datadir"
	"twinload/wallet/httpapi"
	"twinload/wallet/memory"
	"twinload/wallet/redisstore"
)

// exitUsage is the exit code for flags, data or an address that cannot be used.
const exitUsage = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wallet:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(exitUsage)
	}
}

// config is what the flags say.
type config struct {
	listen string
	data   string
	serve  httpapi.Serve
	name   string
	check  string
	store  *redis.Options // nil without a store
}

// run serves until the context ends. It opens the listener, prints its address on stdout, loads the
// ledger and then is ready. It returns nil after a drain.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parseFlags(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.check != "" {
		return check(ctx, c.check)
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("name", c.name)
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %q: %w; give a free address to --listen", c.listen, err)
	}
	fmt.Fprintln(stdout, "listening", listener.Addr())
	server := httpapi.NewServer(c.serve, c.storeKind(), logger)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loading := make(chan error, 1)
	go func() {
		if err := load(ctx, c, server, logger); err != nil {
			loading <- err
			cancel()
		}
	}()
	if err := httpapi.Run(ctx, listener, server, logger); err != nil {
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	}
	select {
	case err := <-loading:
		return err
	default:
	}
	return nil
}

// load reads the ledger, makes the server ready and, with a store, follows it until the context ends.
func load(ctx context.Context, c config, server *httpapi.Server, logger *slog.Logger) error {
	start := time.Now()
	ledger, err := datadir.Load(c.data)
	if err != nil {
		return err
	}
	settleMemory()
	if c.store == nil {
		ready(server, wallet.NewBank(ledger, memory.NewJournal(ledger.Mark()), time.Now), start, logger)
		return nil
	}
	redis.SetLogger(clientLog{logger})
	journal, err := redisstore.Open(ctx, c.store, ledger, c.serve == httpapi.ServeAll, logger)
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop while the store did not answer
		}
		return err
	}
	ready(server, wallet.NewBank(ledger, journal, time.Now), start, logger)
	journal.Follow(ctx)
	return journal.Close()
}

func ready(server *httpapi.Server, bank *wallet.Bank, start time.Time, logger *slog.Logger) {
	server.Ready(bank)
	logger.Info("ready", "users", bank.Users().Len(), "entries", bank.Entries(), "as_of", bank.AsOf(),
		"load_s", time.Since(start).Seconds())
}

// clientLog takes the lines that the Redis client would write to stderr in a form of its own.
type clientLog struct{ logger *slog.Logger }

func (l clientLog) Printf(_ context.Context, format string, values ...any) {
	l.logger.Debug("redis client: " + fmt.Sprintf(format, values...))
}

// gcPercent is how far the heap grows between collections, unless GOGC says otherwise. The ledger's
// columns are most of the heap and hold no pointers, so a collection costs little, while the usual
// 100 % would let garbage grow to the size of the ledger.
const gcPercent = 20

// settleMemory returns what loading left behind and sets the collector for serving.
func settleMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.FreeOSMemory()
}

// parseFlags returns a valid config. For -h it prints the usage on stdout and returns flag.ErrHelp.
func parseFlags(args []string, stdout io.Writer) (config, error) {
	var c config
	var serve, store string
	flags := flag.NewFlagSet("wallet", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	flags.StringVar(&c.data, "data", "", "directory with userpool.csv and ledger/ (required)")
	flags.StringVar(&serve, "serve", string(httpapi.ServeAll), "endpoints to serve: hot or all")
	flags.StringVar(&c.name, "name", "wallet-go", "name of this instance, in logs")
	flags.StringVar(&store, "store", string(httpapi.NoStore), "where writes are shared: none or redis://HOST:PORT[/DB]")
	flags.StringVar(&c.check, "check", "", "serve nothing: ask an instance's `URL` once whether it is ready, and say so by the exit code")
	err := flags.Parse(args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stdout)
			flags.Usage()
			return c, err
		}
		return c, fmt.Errorf("%w; -h lists the flags", err)
	}
	c.serve = httpapi.Serve(serve)
	switch {
	case flags.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q; all settings are flags, -h lists them", flags.Arg(0))
	case c.check != "":
		return c, nil
	case c.data == "":
		return c, errors.New("--data is missing; give the directory with userpool.csv and ledger/")
	case c.serve != httpapi.ServeHot && c.serve != httpapi.ServeAll:
		return c, fmt.Errorf("--serve is %q; give hot or all", serve)
	case store == string(httpapi.NoStore):
		return c, nil
	}
	if c.store, err = redisstore.Address(store); err != nil {
		// The value may hold a password.
		return c, fmt.Errorf("--store: %w; give such a one, or none", err)
	}
	return c, nil
}

func (c config) storeKind() httpapi.Store {
	if c.store == nil {
		return httpapi.NoStore
	}
	return httpapi.RedisStore
}
