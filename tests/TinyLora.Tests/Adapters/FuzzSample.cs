using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using TinyLora.Numerics;
using TinyLora.Tests.Files;
using TinyLora.Weights;

namespace TinyLora.Tests.Adapters;

/// <summary>What a part of an adapter's files is made of, so that it can be damaged in ways that go deep.</summary>
internal enum FuzzPart
{
    Binary,
    Json,
    Pickle,
}

/// <summary>A sound adapter in parts, and how they become its file: lengths and frames around a damaged part may still be right.</summary>
internal sealed record FuzzSample(string Name, string FileName, (FuzzPart Kind, byte[] Bytes)[] Parts, Func<byte[][], byte[]> Assemble, byte[]? Config)
{
    private const string Prefix = "base_model.model.";

    /// <summary>Every format, and of PEFT every part that an adapter can have, for one model.</summary>
    public static FuzzSample[] All(ModelShape shape)
    {
        const string q = "model.layers.0.self_attn.q_proj", v = "model.layers.1.self_attn.v_proj", down = "model.layers.0.mlp.down_proj", up = "model.layers.1.mlp.up_proj";
        var (hidden, intermediate) = (shape.HiddenSize, shape.IntermediateSize);
        (string, long[], ElementType)[] plain =
        [
            (q + ".lora_A.weight", [2, hidden], ElementType.F32), (q + ".lora_B.weight", [shape.QuerySize, 2], ElementType.F16),
            (v + ".lora_A.weight", [2, hidden], ElementType.BF16), (v + ".lora_B.weight", [shape.KeyValueSize, 2], ElementType.BF16),
            (down + ".lora_A.weight", [3, intermediate], ElementType.F16), (down + ".lora_B.weight", [hidden, 3], ElementType.F32),
        ];
        (string, long[], ElementType)[] small = [(up + ".lora_A.weight", [1, hidden], ElementType.F32), (up + ".lora_B.weight", [intermediate, 1], ElementType.F16)];
        return
        [
            Peft("plain", plain, """{"peft_type":"LORA","r":2,"lora_alpha":6.5,"rank_pattern":{"down_(p|q)roj":3},"alpha_pattern":{"(.*)[a-q]+_proj":7.5},"use_rslora":true,"use_dora":false,"modules_to_save":null,"loftq_config":{},"bias":"none","init_lora_weights":"gaussian","target_modules":"model\\.layers\\.[0-9]+\\..*_proj","exclude_modules":["x_proj"],"layers_to_transform":[0,1,2,3,4],"layers_pattern":null,"base_model_name_or_path":"x\u00e9"}""",
                new() { ["format"] = "pt" }),
            Peft("dora", [.. small, (up + ".lora_magnitude_vector", [intermediate], ElementType.F32)], """{"peft_type":"LORA","r":1,"lora_alpha":2,"use_dora":true}"""),
            Peft("parts", [.. small, (up + ".lora_B.bias", [intermediate], ElementType.F32), ("model.layers.0.input_layernorm.weight", [hidden], ElementType.F32), ("model.embed_tokens.token_adapter.trainable_tokens_delta", [3, hidden], ElementType.F16)],
                """{"peft_type":"LORA","r":1,"lora_alpha":2,"lora_bias":true,"modules_to_save":["layers.0.input_layernorm"],"trainable_token_indices":[1,5,7]}"""),
            Peft("embedding", [("model.embed_tokens.lora_embedding_A", [1, shape.VocabularySize], ElementType.BF16), ("model.embed_tokens.lora_embedding_B", [hidden, 1], ElementType.F32)], """{"peft_type":"LORA","r":1}"""),
            Peft("invoked", small, """{"peft_type":"LORA","r":1,"alora_invocation_tokens":[1,2]}"""),
            Peft("hashed", small, """{"peft_type":"LORA","r":1}""", new() { ["format"] = "pt", [ModelHash.Key] = "norms-sha256:" + new string('a', 64) }),
            Mlx(shape),
            Gguf(shape, []),
            Peft("head", [("lm_head.lora_A.weight", [1, hidden], ElementType.F32), ("lm_head.lora_B.weight", [shape.VocabularySize, 1], ElementType.F16)], """{"peft_type":"LORA","r":1}"""),
            Gguf(shape, [ModelHash.Key]),
            Zip(plain),
            Legacy(plain),
        ];
    }

    /// <summary>
    /// A PEFT adapter of tensors that fit each other, of any size and type at any place of the model, and of what a configuration can ask for beside them; most of it fits the model too.
    /// </summary>
    public static FuzzSample Drawn(Random random, ModelShape shape)
    {
        var tensors = new List<(string Name, long[] Shape, ElementType Type)>();
        bool dora = Is(5), biasOfB = !dora && Is(6), invoked = Is(10);
        for (var pairs = random.Next(1, 5); pairs > 0; pairs--)
        {
            var kind = (WeightKind)((int)WeightKind.Query + random.Next(7));
            var module = WeightNames.HuggingFace(kind, random.Next(20) == 0 ? random.Next(100) : random.Next(shape.LayerCount));
            var inputs = kind == WeightKind.Down ? shape.IntermediateSize : kind == WeightKind.Output ? shape.QuerySize : shape.HiddenSize;
            var outputs = kind switch { WeightKind.Query => shape.QuerySize, WeightKind.Key or WeightKind.Value => shape.KeyValueSize, WeightKind.Gate or WeightKind.Up => shape.IntermediateSize, _ => shape.HiddenSize };
            if (Is(12)) module = "lm_head";
            if (module == "lm_head") (inputs, outputs) = (shape.HiddenSize, shape.VocabularySize);
            var rank = Is(30) ? random.Next(1, 200) : random.Next(1, 6);
            Add(module + ".lora_A.weight", rank, Off(inputs));
            Add(module + ".lora_B.weight", Off(outputs), rank);
            if (dora && !Is(20)) Add(module + ".lora_magnitude_vector", Off(outputs));
            if (biasOfB && !Is(20)) Add(module + ".lora_B.bias", Off(outputs));
        }
        if (Is(6)) Add("model.layers.1.post_attention_layernorm.weight", Off(shape.HiddenSize));
        if (Is(6)) Add("model.norm.weight", Off(shape.HiddenSize));
        var tokens = Is(5) ? random.Next(1, 4) : 0;
        if (tokens > 0) Add("model.embed_tokens.token_adapter.trainable_tokens_delta", tokens, Off(shape.HiddenSize));
        if (Is(8))
        {
            Add("model.embed_tokens.lora_embedding_A", 2, Off(shape.VocabularySize));
            Add("model.embed_tokens.lora_embedding_B", Off(shape.HiddenSize), 2);
        }
        var ranks = tensors.Where(tensor => tensor.Name.EndsWith("lora_A.weight", StringComparison.Ordinal)).Select(tensor => $"\"{tensor.Name[..^".lora_A.weight".Length].Replace(".", "\\\\.", StringComparison.Ordinal)}\":{tensor.Shape[0]}").Distinct();
        var config = $$"""
            {"peft_type":"LORA","r":{{(Is(2) ? 1 : 2)}},"lora_alpha":{{(Is(9) ? "-1e30" : "3.5")}},"rank_pattern":{ {{string.Join(',', ranks)}} },"use_dora":{{Text(dora)}},"lora_bias":{{Text(biasOfB)}},"use_rslora":{{Text(Is(3))}},"bias":"none",
             "trainable_token_indices":{{(tokens > 0 ? $"[{string.Join(',', Enumerable.Range(0, tokens).Select(_ => random.Next(Off(shape.VocabularySize))))}]" : "null")}},"alora_invocation_tokens":{{(invoked ? "[1,2]" : "null")}}}
            """;
        return Safetensors("peft drawn", "adapter_model.safetensors", [.. tensors.DistinctBy(tensor => tensor.Name).Select(tensor => (Prefix + tensor.Name, tensor.Shape, tensor.Type))], config, null);

        bool Is(int oneIn) => random.Next(oneIn) == 0;

        int Off(int size) => Is(60) ? Math.Max(1, size + random.Next(-2, 3)) : size;

        string Text(bool value) => value ? "true" : "false";

        void Add(string name, params long[] size) => tensors.Add((name, size, (ElementType)random.Next(3)));
    }

    private static FuzzSample Peft(string name, (string Name, long[] Shape, ElementType Type)[] tensors, string config, Dictionary<string, string>? metadata = null) =>
        Safetensors("peft " + name, "adapter_model.safetensors", [.. tensors.Select(tensor => (Prefix + tensor.Name, tensor.Shape, tensor.Type))], config, metadata);

    private static FuzzSample Mlx(ModelShape shape) => Safetensors("mlx", "adapters.safetensors",
        [("model.layers.0.self_attn.q_proj.lora_a", [shape.HiddenSize, 2], ElementType.F32), ("model.layers.0.self_attn.q_proj.lora_b", [2, shape.QuerySize], ElementType.F16)],
        """{"fine_tune_type":"lora","num_layers":1,"lora_parameters":{"rank":2,"scale":20.0,"dropout":0.0},"model":"lantern"}""", null);

    private static FuzzSample Safetensors(string name, string file, (string Name, long[] Shape, ElementType Type)[] tensors, string config, Dictionary<string, string>? metadata)
    {
        var writer = new SafetensorsWriter();
        foreach (var (key, value) in metadata ?? []) writer.Metadata(key, value);
        foreach (var tensor in tensors) writer.Tensor(tensor.Name, tensor.Type.ToString(), tensor.Shape, Numbers(tensor.Type, tensor.Shape));
        var bytes = writer.ToArray();
        var header = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        return new FuzzSample(name, file, [(FuzzPart.Json, bytes[8..(8 + header)]), (FuzzPart.Binary, bytes[(8 + header)..])],
            parts => [.. BitConverter.GetBytes((long)parts[0].Length), .. parts[0], .. parts[1]], Encoding.UTF8.GetBytes(config));
    }

    private static FuzzSample Gguf(ModelShape shape, string[] hashes)
    {
        var writer = new GgufWriter().Key("general.type", "adapter").Key("general.architecture", shape.Architecture).Key("adapter.type", "lora").Key("adapter.lora.alpha", 16f);
        foreach (var key in hashes) writer.Key(key, "norms-sha256:" + new string('0', 64));
        if (hashes.Length == 0)
            writer.Key("adapter.alora.invocation_tokens", TinyLora.Files.GgufValueType.Array, w => { w.Write((uint)TinyLora.Files.GgufValueType.UInt32); w.Write(2ul); w.Write(1u); w.Write(2u); });
        var bytes = writer.Tensor("blk.0.attn_q.weight.lora_a", 2, shape.HiddenSize).Tensor("blk.0.attn_q.weight.lora_b", shape.QuerySize, 2)
            .Tensor("blk.1.ffn_up.weight.lora_a", 1, shape.HiddenSize).Tensor("blk.1.ffn_up.weight.lora_b", shape.IntermediateSize, 1).ToArray();
        return new FuzzSample("gguf" + string.Concat(hashes), "adapter.gguf", [(FuzzPart.Binary, bytes)], parts => parts[0], null);
    }

    private static FuzzSample Zip((string Name, long[] Shape, ElementType Type)[] tensors)
    {
        (FuzzPart, byte[])[] parts = [(FuzzPart.Pickle, TorchPickle.Tensors(tensors, isLegacy: false)), .. tensors.Select(tensor => (FuzzPart.Binary, Numbers(tensor.Type, tensor.Shape)))];
        return new FuzzSample("torch zip", "adapter_model.bin", parts, Zipped, Encoding.UTF8.GetBytes("""{"peft_type":"LORA","r":2,"rank_pattern":{"down_proj":3}}"""));
    }

    private static byte[] Zipped(byte[][] parts)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("adapter/data.pkl", parts[0]);
            for (var i = 1; i < parts.Length; i++) Add($"adapter/data/{i - 1}", parts[i]);

            void Add(string name, byte[] bytes)
            {
                using var entry = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
                entry.Write(bytes);
            }
        }
        return stream.ToArray();
    }

    private static FuzzSample Legacy((string Name, long[] Shape, ElementType Type)[] tensors)
    {
        var data = new List<byte>();
        foreach (var (_, shape, type) in tensors)
        {
            var numbers = Numbers(type, shape);
            data.AddRange(BitConverter.GetBytes((long)(numbers.Length / type.BlockBytes())));
            data.AddRange(numbers);
        }
        return new FuzzSample("torch legacy", "adapter_model.bin", [(FuzzPart.Pickle, TorchPickle.Tensors(tensors, isLegacy: true)), (FuzzPart.Binary, [.. data])], parts => [.. parts[0], .. parts[1]],
            Encoding.UTF8.GetBytes("""{"peft_type":"LORA","r":2,"rank_pattern":{"down_proj":3}}"""));
    }

    /// <summary>Small numbers of a type.</summary>
    private static byte[] Numbers(ElementType type, long[] shape)
    {
        var bytes = new byte[type.ByteCount(shape.Aggregate(1L, (a, b) => a * b))];
        var size = type.BlockBytes();
        for (var i = 0; i < bytes.Length / size; i++)
        {
            var value = (i % 7 - 3) * 0.125f;
            if (type == ElementType.F32) BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), value);
            else if (type == ElementType.F16) BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (Half)value);
            else BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
        }
        return bytes;
    }
}
