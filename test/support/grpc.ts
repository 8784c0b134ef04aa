// A gRPC service and its clients by @grpc/grpc-js, without .proto files: messages are bytes as they are. What the service does
// can be replaced call by call; left alone, it echoes.

import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MetadataValue,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

const asItIs = (bytes: Buffer): Buffer => bytes;

function methodOf(path: string, requestStream: boolean, responseStream: boolean) {
  const codec = { serialize: asItIs, deserialize: asItIs };
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: codec.serialize,
    requestDeserialize: codec.deserialize,
    responseSerialize: codec.serialize,
    responseDeserialize: codec.deserialize,
  };
}

const ECHO = {
  unary: methodOf('/test.Echo/Unary', false, false),
  collect: methodOf('/test.Echo/Collect', true, false),
  repeat: methodOf('/test.Echo/Repeat', false, true),
  chat: methodOf('/test.Echo/Chat', true, true),
} satisfies ServiceDefinition;
const HEALTH = { check: methodOf('/grpc.health.v1.Health/Check', false, false) } satisfies ServiceDefinition;

export interface EchoHandlers {
  unary: handleUnaryCall<Buffer, Buffer>;
  collect: handleClientStreamingCall<Buffer, Buffer>;
  repeat: handleServerStreamingCall<Buffer, Buffer>;
  chat: handleBidiStreamingCall<Buffer, Buffer>;
  /** grpc.health.v1.Health/Check. */
  health: handleUnaryCall<Buffer, Buffer>;
}

/** Metadata of a client as it came, less what gRPC and Fermat say themselves; and `x-…` again as a trailer. */
const echoing: EchoHandlers = {
  unary(call, callback) {
    call.sendMetadata(call.metadata.clone());
    callback(null, call.request, trailersOf(call.metadata));
  },
  collect(call, callback) {
    let count = 0;
    let bytes = 0;
    call.on('data', (message: Buffer) => {
      count++;
      bytes += message.length;
    });
    call.on('end', () => callback(null, Buffer.from(`${count} ${bytes}`)));
  },
  /** The request says how many messages, and of how many bytes each. */
  repeat(call) {
    const [count = 0, bytes = 0] = call.request.toString().split(' ').map(Number);
    let sent = 0;
    const more = (): void => {
      while (sent < count) {
        const message = Buffer.alloc(bytes, 'x');
        message.writeUInt32BE(sent++);
        if (!call.write(message)) {
          call.once('drain', more);
          return;
        }
      }
      call.end(trailersOf(call.metadata));
    };
    more();
  },
  chat(call) {
    call.on('data', (message: Buffer) => {
      if (!call.write(message)) {
        call.pause();
        call.once('drain', () => call.resume());
      }
    });
    call.on('end', () => call.end());
  },
  health(_call, callback) {
    callback(null, Buffer.from([0x08, 1]));
  },
};

function trailersOf(metadata: Metadata): Metadata {
  const trailers = new Metadata();
  for (const key of Object.keys(metadata.getMap())) {
    if (key.startsWith('x-echo-')) for (const value of metadata.get(key)) trailers.add(`${key.slice(7)}`, value);
  }
  return trailers;
}

export class EchoServer {
  readonly server: Server;
  readonly port: number;
  /** Replaced by tests, until `reset`. */
  readonly handlers: EchoHandlers = { ...echoing };
  /** Calls that were begun, by method. */
  readonly calls: string[] = [];

  constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
  }

  reset(): void {
    Object.assign(this.handlers, echoing);
    this.calls.length = 0;
  }

  /** At once, with whatever is under way. */
  stop(): void {
    this.server.forceShutdown();
  }
}

export async function startEcho(
  security: ServerCredentials = ServerCredentials.createInsecure(),
  options: ServerOptions = {},
  port = 0,
): Promise<EchoServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1, ...options });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, security, (error, at) => (error === null ? resolve(at) : reject(error)));
  });
  const echo = new EchoServer(server, bound);
  const { handlers, calls } = echo;
  const seen =
    <Args extends unknown[]>(name: string, handler: () => (...args: Args) => void) =>
    (...args: Args): void => {
      calls.push(name);
      handler()(...args);
    };
  server.addService(ECHO, {
    unary: seen('unary', () => handlers.unary),
    collect: seen('collect', () => handlers.collect),
    repeat: seen('repeat', () => handlers.repeat),
    chat: seen('chat', () => handlers.chat),
  } as UntypedServiceImplementation);
  server.addService(HEALTH, {
    check: (...args: Parameters<EchoHandlers['health']>) => handlers.health(...args),
  } as UntypedServiceImplementation);
  return echo;
}

export interface UnaryAnswer {
  readonly message: Buffer;
  /** Of the head, and of the trailers. */
  readonly metadata: Metadata;
  readonly status: StatusObject;
}

/** One channel with promises for what tests ask most; `raw` for the rest. */
export class EchoClient implements Disposable {
  readonly raw: Client;

  constructor(port: number, security: ChannelCredentials = credentials.createInsecure(), options: ClientOptions = {}) {
    this.raw = new Client(`127.0.0.1:${port}`, security, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // A pool of connections shared between clients would make tests depend on each other.
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
  }

  unary(
    message: Buffer | string,
    { metadata = new Metadata(), deadlineMs, path = ECHO.unary.path, signal }: CallOptions = {},
  ): Promise<UnaryAnswer> {
    return new Promise((resolve, reject) => {
      let head = new Metadata();
      let status: StatusObject | null = null;
      let answer: Buffer | undefined;
      let isDone = false;
      const settle = (): void => {
        if (isDone && status !== null) resolve({ message: answer!, metadata: head, status });
      };
      const call = this.raw.makeUnaryRequest(
        path,
        asItIs,
        asItIs,
        Buffer.from(message),
        metadata,
        optionsOf(deadlineMs),
        (error, value) => {
          if (error !== null) return reject(error);
          answer = value;
          isDone = true;
          settle();
        },
      );
      call.on('metadata', (value) => {
        head = value;
      });
      call.on('status', (value) => {
        status = value;
        settle();
      });
      signal?.addEventListener('abort', () => call.cancel());
    });
  }

  /** The error a call fails with; rejects when it does not. */
  async failure(message: Buffer | string = 'x', options: CallOptions = {}): Promise<ServiceError> {
    try {
      await this.unary(message, options);
    } catch (error) {
      return error as ServiceError;
    }
    throw new Error('the call did not fail');
  }

  /** Sends all of `messages` as one stream; gives the one answer. */
  async collect(messages: Iterable<Buffer>): Promise<string> {
    let settle: { resolve: (text: string) => void; reject: (error: unknown) => void };
    const answered = new Promise<string>((resolve, reject) => {
      settle = { resolve, reject };
    });
    const call = this.raw.makeClientStreamRequest(ECHO.collect.path, asItIs, asItIs, (error, value) =>
      error === null ? settle.resolve(value!.toString()) : settle.reject(error),
    );
    for (const message of messages) {
      if (!call.write(message)) await new Promise<void>((go) => call.once('drain', go));
    }
    call.end();
    return answered;
  }

  repeat(request: string, { metadata = new Metadata(), deadlineMs }: CallOptions = {}): ClientReadableStream<Buffer> {
    const body = Buffer.from(request);
    return this.raw.makeServerStreamRequest(ECHO.repeat.path, asItIs, asItIs, body, metadata, optionsOf(deadlineMs));
  }

  chat({ metadata = new Metadata(), deadlineMs }: CallOptions = {}): ClientDuplexStream<Buffer, Buffer> {
    return this.raw.makeBidiStreamRequest(ECHO.chat.path, asItIs, asItIs, metadata, optionsOf(deadlineMs));
  }

  [Symbol.dispose](): void {
    this.raw.close();
  }
}

export interface CallOptions {
  readonly metadata?: Metadata;
  /** From now. */
  readonly deadlineMs?: number | undefined;
  readonly path?: string;
  readonly signal?: AbortSignal;
}

function optionsOf(deadlineMs: number | undefined): { deadline?: Date } {
  return deadlineMs === undefined ? {} : { deadline: new Date(Date.now() + deadlineMs) };
}

export function metadataOf(fields: Record<string, MetadataValue | MetadataValue[]>): Metadata {
  const metadata = new Metadata();
  for (const [key, values] of Object.entries(fields)) {
    for (const value of [values].flat()) metadata.add(key, value as MetadataValue);
  }
  return metadata;
}

/** The end of a stream: its status, whatever it is. Its messages are read and given to `onMessage`. */
export function endOf(
  call: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
  onMessage: (message: Buffer) => void = () => undefined,
): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.on('data', onMessage);
    call.on('error', () => undefined); // the status says the same
    call.on('status', resolve);
  });
}
