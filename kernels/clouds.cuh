// The eight cells that a particle touches, cloud in cell, and its mass in integers. Cells and weights are found in double,
// each operation rounded by itself (no fused multiply-add): they are those of the CPU.

constexpr double FIXED_POINT = 68719476736.0;  // 2^36, as in particle_mesh.py

// The whole mesh, and the plane with which the slab begins
struct Mesh {
    double scale[3], side[3];
    long long nx, ny, nz, x_first;
};

// Lower cell of a cloud along an axis, in [0, cells), and the weight of the upper one.
struct Cloud {
    int cell;
    double upper;

    __device__ __forceinline__ Cloud(double position, double scale, long long cells)
    {
        const double at = __dadd_rn(__dmul_rn(position, scale), -0.5);
        const double below = floor(at);
        cell = static_cast<int>(below);
        if (cell < 0) cell += static_cast<int>(cells);
        upper = at - below;
    }
};

// The four lines along z that a particle touches in a plane and in the next one, as offsets of their lower cells.
struct Touched {
    int plane, line[2], column[2];
    double u, v, w;

    __device__ __forceinline__ Touched(const double (&at)[3], const Mesh& mesh)
    {
        const Cloud x(at[0], mesh.scale[0], mesh.nx), y(at[1], mesh.scale[1], mesh.ny), z(at[2], mesh.scale[2], mesh.nz);
        plane = x.cell - static_cast<int>(mesh.x_first);
        line[0] = y.cell;
        line[1] = y.cell + 1 < mesh.ny ? y.cell + 1 : 0;
        column[0] = z.cell;
        column[1] = z.cell + 1 < mesh.nz ? z.cell + 1 : 0;
        u = x.upper;
        v = y.upper;
        w = z.upper;
    }
};

// A share of a mass in units, rounded: above 2^52 the last bits of a double are those of an integer, and a sum that is
// rounded down has them faster than a conversion
__device__ __forceinline__ unsigned long long units_of(double share, double along)
{
    const double units = __dadd_rd(__dadd_rn(__dmul_rn(share, along), 0.5), 4503599627370496.0);
    return static_cast<unsigned long long>(__double_as_longlong(units)) & ((1ull << 52) - 1);
}
