!> Exponentials of whole arrays, written so that compilers vectorise the loop.
!>
!> A library `exp` is called once per value; this one costs a few additions and multiplications, is
!> accurate to one unit in the last place, and gives the same bits on every machine.
module exponentials
   use kinds, only: dp, i8
   implicit none (type, external)
   private

   public :: powers_of_two

   !> Near-minimax polynomial of 2**r on [-1/2, 1/2]: Chebyshev interpolation of degree 11, relative error 2e-17.
   real(dp), parameter :: c(0:11) = [ &
      1.0_dp, 0.6931471805599453_dp, 0.24022650695910158_dp, 0.055504108664821625_dp, &
      0.009618129107587256_dp, 0.001333355814640647_dp, 0.00015403530463724353_dp, &
      1.5252733841556773e-05_dp, 1.3215432535912375e-06_dp, 1.0178057087733941e-07_dp, &
      7.074194297288521e-09_dp, 4.4558179083360645e-10_dp]

   !> Adding 1.5 * 2**52 to a number rounds it to an integer, which then stands in the low bits.
   real(dp), parameter :: rounder = 6755399441055744.0_dp
   integer(i8), parameter :: exponent_bias = 1023_i8
   integer, parameter :: exponent_position = 52
   real(dp), parameter :: least_exponent = -1022.0_dp

contains

   !> 2**(factor x) of each element, for exponents below 1023; at exponents below -1022 it stays at 2**-1022.
   pure subroutine powers_of_two(n, factor, x, power)
      integer, intent(in) :: n
      real(dp), intent(in) :: factor, x(n)
      real(dp), intent(out) :: power(n)

      real(dp) :: bounded, shifted, r, r2, r4, low, middle, high
      integer(i8) :: bits
      integer :: i

      !$omp simd private(bounded, shifted, r, r2, r4, low, middle, high, bits)
      do i = 1, n
         bounded = max(least_exponent, factor*x(i))
         shifted = bounded + rounder
         r = bounded - (shifted - rounder)
         r2 = r*r
         r4 = r2*r2
         low = (c(0) + c(1)*r) + (c(2) + c(3)*r)*r2   ! Estrin's order: fewer steps wait for one another
         middle = (c(4) + c(5)*r) + (c(6) + c(7)*r)*r2
         high = (c(8) + c(9)*r) + (c(10) + c(11)*r)*r2
         bits = shiftl(transfer(shifted, bits) + exponent_bias, exponent_position)
         power(i) = (low + r4*(middle + r4*high))*transfer(bits, 1.0_dp)
      end do
   end subroutine powers_of_two

end module exponentials
