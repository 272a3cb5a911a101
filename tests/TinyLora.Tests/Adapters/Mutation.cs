using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace TinyLora.Tests.Adapters;

/// <summary>Damages bytes in the ways that parsers have fallen for; all by the random numbers that it is given.</summary>
internal static class Mutation
{
    private static readonly string[] s_json =
    [
        "0", "-1", "1", "2", "1e308", "-1e-320", "1e999", "2147483647", "2147483648", "4294967295", "9223372036854775807", "18446744073709551615", "18446744073709551616", "0.5", "NaN", "null", "true", "false", "\"\"", "[]", "{}",
        "[[]]", "[0]", "[0,0]", "[1,9223372036854775807]", "{\"a\":1}", "\"\\ud800\"", "\"F64\"", "\"Q4_0\"", "\"\\u0000\"", "\"lora_A\"", "\"(a+)+$\"", "\"[\"", "[1,1,1,1,1,1,1,1,1]", "", ",", "}", "]", "\"", "\\",
    ];
    private static readonly long[] s_numbers = [0, 1, -1, 2, 7, 255, 256, 65535, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, long.MaxValue / 4, 1L << 32, 1L << 40, 1L << 62];

    // Words that mean something in one of the formats; one takes the place of another, so that what follows is sound and says something else.
    private static readonly string[] s_words =
    [
        "q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "gate_proj", "down_proj", "layers.0", "layers.1", "layers.4", "layers.5", "layers.99999999999", "lora_A", "lora_B", "lora_a", "lora_b", "F32", "F16", "BF16", "F64", "embed_tokens", "lm_head",
        "model.norm", "input_layernorm", "post_attention_layernorm", "weight", "bias", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "base_layer", "token_adapter", "self_attn", "mlp",
        "attn_q", "attn_k", "attn_v", "ffn_up", "ffn_down", "ffn_gate", "attn_output", "blk.0", "blk.1", "blk.4", "blk.5", "FloatStorage", "HalfStorage", "BFloat16Storage",
        "use_dora", "lora_bias", "use_rslora", "modules_to_save", "trainable_token_indices", "alora_invocation_tokens", "rank_pattern", "alpha_pattern", "lora_alpha", "peft_type", "lora_parameters",
    ];

    public static byte[] Apply(Random random, FuzzPart kind, byte[] bytes, byte[] other)
    {
        for (var changes = random.Next(3) > 0 ? 1 : random.Next(2, 4); changes > 0; changes--)
        {
            if (bytes.Length == 0) return bytes;
            bytes = (kind, random.Next(6)) switch
            {
                (_, 0) => Word(random, bytes, anyLength: kind == FuzzPart.Json),
                (FuzzPart.Json, < 4) => Tree(random, bytes),
                (FuzzPart.Json, 4) => Json(random, bytes),
                (FuzzPart.Pickle, < 5) => Pickle(random, bytes),
                _ => Binary(random, bytes, other),
            };
        }
        return bytes;
    }

    private static byte[] Word(Random random, byte[] bytes, bool anyLength)
    {
        var text = Encoding.Latin1.GetString(bytes);
        var at = random.Next(text.Length);
        var (found, word) = (-1, "");
        // The first of all words from somewhere on.
        foreach (var candidate in s_words)
            if (text.IndexOf(candidate, at, StringComparison.Ordinal) is var index && index >= 0 && (found < 0 || index < found)) (found, word) = (index, candidate);
        if (found < 0) return bytes;
        var others = s_words.Where(candidate => candidate != word && (anyLength || candidate.Length == word.Length)).ToArray();
        if (others.Length == 0) return bytes;
        return Encoding.Latin1.GetBytes(string.Concat(text.AsSpan(0, found), others[random.Next(others.Length)], text.AsSpan(found + word.Length)));
    }

    /// <summary>Changes a value of sound JSON to another, so that it stays sound.</summary>
    private static byte[] Tree(Random random, byte[] bytes)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(bytes);
            var nodes = new List<JsonNode>();
            Collect(root, nodes);
            if (nodes.Count < 2) return bytes;
            var node = nodes[random.Next(1, nodes.Count)];
            JsonNode? value;
            switch (random.Next(7))
            {
                case 0 when node is JsonValue number && number.TryGetValue(out long whole):
                    value = JsonValue.Create(random.Next(4) switch { 0 => whole + 1, 1 => whole - 1, 2 => unchecked(whole * 2), _ => whole / 2 });
                    break;
                case 1 when node is JsonArray { Count: > 1 } array:
                    value = new JsonArray([.. array.Reverse().Select(item => item?.DeepClone())]);
                    break;
                case 2 when node.Parent is JsonObject parent:
                    parent.Remove(node.GetPropertyName());
                    return Encoding.UTF8.GetBytes(root!.ToJsonString(JsonSerializerOptions.Default));
                case 3:
                    value = nodes[random.Next(1, nodes.Count)].DeepClone();
                    break;
                case 4 when node is JsonArray array:
                    value = new JsonArray([.. array.Append(array.FirstOrDefault()).Select(item => item?.DeepClone())]);
                    break;
                default:
                    try
                    {
                        value = JsonNode.Parse(s_json[random.Next(s_json.Length)]);
                    }
                    catch (JsonException)
                    {
                        value = null;
                    }
                    break;
            }
            if (node.Parent is JsonObject owner) owner[node.GetPropertyName()] = value;
            else ((JsonArray)node.Parent!)[node.GetElementIndex()] = value;
            return Encoding.UTF8.GetBytes(root!.ToJsonString(JsonSerializerOptions.Default));
        }
        catch (Exception unsound) when (unsound is JsonException or ArgumentException or InvalidOperationException)
        {
            return bytes;
        }
    }

    private static void Collect(JsonNode? node, List<JsonNode> nodes)
    {
        if (node == null) return;
        nodes.Add(node);
        if (node is JsonArray array)
            foreach (var item in array) Collect(item, nodes);
        else if (node is JsonObject members)
            foreach (var (_, value) in members) Collect(value, nodes);
    }

    private static byte[] Binary(Random random, byte[] sound, byte[] other)
    {
        var bytes = (byte[])sound.Clone();
        // Headers stand at the beginning, as a rule; what matters of a zip archive at its end.
        var at = random.Next(4) switch { 0 => random.Next(bytes.Length), 1 => bytes.Length - 1 - random.Next(Math.Min(bytes.Length, 400)), _ => random.Next(Math.Min(bytes.Length, 600)) };
        switch (random.Next(10))
        {
            case 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 1:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 2:
                bytes.AsSpan(at, Math.Min(random.Next(1, 17), bytes.Length - at)).Fill((byte)(random.Next(2) * 255));
                break;
            case 3:
                bytes[at] = bytes[random.Next(bytes.Length)];
                break;
            case 4:
                return bytes[..random.Next(bytes.Length)];
            case 5 or 6:
                Span<byte> number = stackalloc byte[sizeof(long)];
                BinaryPrimitives.WriteInt64LittleEndian(number, s_numbers[random.Next(s_numbers.Length)] + random.Next(-1, 2));
                number = number[..(1 << random.Next(1, 4))];
                number[..Math.Min(number.Length, bytes.Length - at)].CopyTo(bytes.AsSpan(at));
                break;
            case 7:
                // A piece of another file, or of another place.
                var from = random.Next(2) == 0 ? other : bytes;
                var begin = random.Next(from.Length);
                return [.. bytes[..at], .. from.AsSpan(begin, random.Next(Math.Min(from.Length - begin, 200) + 1)), .. bytes[(random.Next(2) == 0 ? at : bytes.Length - random.Next(bytes.Length - at))..]];
            case 8:
                return [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + random.Next(1, 33))..]];
            default:
                // A small change of a number, so that it is nearly right.
                bytes[at] += (byte)(random.Next(2) == 0 ? 1 : 255);
                break;
        }
        return bytes;
    }

    /// <summary>Puts another value in the place of a value, doubles, drops or nests a piece.</summary>
    private static byte[] Json(Random random, byte[] bytes)
    {
        var text = Encoding.Latin1.GetString(bytes);
        var begin = Boundary(text, random.Next(text.Length));
        var end = Boundary(text, Math.Min(text.Length, begin + 1));
        var value = s_json[random.Next(s_json.Length)];
        var depth = random.Next(6) == 0 ? random.Next(2000) : random.Next(5);
        text = random.Next(8) switch
        {
            0 => text[..begin] + text[begin..end] + text[begin..],
            1 => text[..begin] + text[Boundary(text, Math.Min(text.Length, end + 1))..],
            2 => text[..begin] + new string('[', depth) + text[begin..end] + new string(']', depth) + text[end..],
            3 => text[..begin] + string.Concat(Enumerable.Repeat("{\"a\":", depth)) + (end > begin ? text[begin..end] : "1") + new string('}', depth) + text[end..],
            _ => text[..begin] + value + text[end..],
        };
        return Encoding.Latin1.GetBytes(text);
    }

    /// <summary>The next place where a value or a name begins or ends.</summary>
    private static int Boundary(string text, int at)
    {
        while (at > 0 && at < text.Length && !(",:[]{}".Contains(text[at]) ^ ",:[]{}".Contains(text[at - 1]))) at++;
        return at;
    }

    private static byte[] Pickle(Random random, byte[] sound)
    {
        var at = random.Next(sound.Length);
        var opcode = TorchPickle.Opcodes[random.Next(TorchPickle.Opcodes.Length)];
        if (random.Next(3) == 0) return [.. sound[..at], opcode, .. sound[at..]];
        if (random.Next(3) == 0) return [.. sound[..at], .. sound[Math.Min(sound.Length, at + random.Next(1, 20))..]];
        // An opcode of the file's becomes another.
        for (var i = 0; i < 40 && at < sound.Length - 1 && !TorchPickle.Opcodes.Contains(sound[at]); i++) at++;
        var bytes = (byte[])sound.Clone();
        bytes[at] = random.Next(4) == 0 ? (byte)random.Next(256) : opcode;
        return bytes;
    }
}
